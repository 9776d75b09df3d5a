// What is told beside the views: to screen readers, politely; and short notes that pass by themselves.

import { html, useEffect, useState } from "../core/ui.js";

const SHOWN = 6000; // ms
let tell = () => {};

/** Said to screen readers only. */
export const announce = (text) => tell({ text, seen: false });
/** Said to everybody: what was done, or what went wrong with it (`bad`). */
export const note = (text, bad = false) => tell({ text, seen: true, bad });

export function Announcer() {
  const [spoken, setSpoken] = useState("");
  const [shown, setShown] = useState(null);
  useEffect(() => {
    let timer;
    tell = ({ text, seen, bad }) => {
      setSpoken((before) => (before === text ? `${text}\u00a0` : text)); // the same words twice are said twice
      if (!seen) return;
      setShown({ text, bad });
      clearTimeout(timer);
      timer = setTimeout(() => setShown(null), SHOWN);
    };
    return () => clearTimeout(timer);
  }, []);
  return html`<div class="note-place">
    <div class="unseen" role="status" aria-live="polite">${spoken}</div>
    ${shown && html`<div class=${`note ${shown.bad ? "bad" : ""}`} aria-hidden="true">${shown.text}</div>`}
  </div>`;
}
