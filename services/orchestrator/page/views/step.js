// One step: its picture, or what is becoming of it; its words; what can be done with it; and every attempt at it.

import { html, useEffect, useRef, useState } from "../core/ui.js";
import { keptOf } from "../core/fold.js";
import { nameOf, noteOf, numberOf, textOf } from "../core/words.js";
import { api } from "../core/api.js";
import { Attempts } from "./attempts.js";
import { Picture } from "./picture.js";
import { Becoming } from "./becoming.js";
import { Prose } from "./prose.js";

export function Step({ entry, home, state, doc, live, drawing, act, setWish, pinOf, current, stand, open, toggle }) {
  const { index } = entry.step;
  const kept = keptOf(entry);
  const shown = kept ?? entry.attempts.at(-1);
  const underWay = drawing === index;
  const { mark, text } = noteOf(entry, live);
  const draws = Boolean(entry.step.prompt || entry.asked);
  const progress = underWay && state.progress?.step === index ? state.progress : null;
  const unfold = open ?? (underWay || (mark === "refused" && entry.attempts.length > 1));
  const wordsOnly = !draws && !shown;
  return html`<article id=${`step-${index}`} tabindex="-1" class=${`step ${mark} ${current ? "current" : ""} ${wordsOnly ? "words-only" : ""}`}
    aria-labelledby=${`name-${index}`} aria-busy=${underWay ? "true" : null} onFocusIn=${stand}>
    ${!wordsOnly && html`<div class="figure">
      ${shown && !(underWay && progress?.preview)
        ? html`<${Picture} home=${home} image=${shown.image} alt=${`${nameOf(entry.step, numberOf(entry))}: ${shown.prompt}`} wide=${400} className=${`picture ${kept ? "" : "passing"}`} lazy=${false} />`
        : html`<${Becoming} progress=${progress} underWay=${underWay} live=${live} />`}
      ${shown && underWay && !progress?.preview && html`<span class="over-picture"><span class="pulse"></span> ${entry.reopened || entry.attempts.length ? "drawing again" : "drawing"}</span>`}
    </div>`}
    <div class="words">
      <h2 id=${`name-${index}`}><span class="number">${numberOf(entry)}</span> ${nameOf(entry.step, numberOf(entry))}</h2>
      <div class="text"><${Prose} text=${textOf(entry.step)} /></div>
      <p class="outcome"><span class=${`dot ${underWay ? "drawing" : mark}`}></span>${underWay ? activity(entry, progress) : text}</p>
      ${entry.stale && html`<p class="stale">${entry.reworded ? "What to draw was changed since it was drawn." : "Its picture was drawn from one that no longer stands."} <span class="soft">Redraw it to follow the change.</span></p>`}
      ${!home.readOnly && html`<${StepActions} ...${{ entry, doc, home, live, act, setWish, pinOf, kept, draws }} />`}
    </div>
    ${(entry.attempts.length > 0 || progress) && html`<details class="tries" open=${unfold} onToggle=${(event) => event.target.open !== unfold && toggle(event.target.open)}>
      <summary>${entry.attempts.length === 1 && !underWay ? "The attempt and what the critic said" : `${entry.attempts.length + (underWay ? 1 : 0)} attempts, side by side`}</summary>
      ${unfold && html`<${Attempts} ...${{ entry, home, live, act, pinOf, underWay, progress }} />`}
    </details>`}
  </article>`;
}

function activity(entry, progress) {
  const number = progress?.number ?? entry.attempts.length + 1;
  const last = entry.attempts.at(-1);
  if (!progress?.of && last && last.number === number - 1 && !last.verdict) return `attempt ${last.number} is being judged`;
  if (progress?.waiting) return `attempt ${number} waits for a worker`;
  const how = progress?.of ? `, ${progress.done} of ${progress.of}` : "";
  return `attempt ${number} is being drawn${how}`;
}

function StepActions({ entry, doc, home, live, act, setWish, pinOf, kept, draws }) {
  const [more, setMore] = useState(false);
  const place = useRef(null);
  useEffect(() => {
    if (!more) return undefined;
    const away = (event) => !place.current.contains(event.target) && setMore(false);
    const escape = (event) => event.key === "Escape" && setMore(false);
    document.addEventListener("pointerdown", away);
    document.addEventListener("keydown", escape);
    return () => {
      document.removeEventListener("pointerdown", away);
      document.removeEventListener("keydown", escape);
    };
  }, [more]);
  if (live) return kept && html`<div class="step-actions"><button type="button" class="quiet" onClick=${() => pinOf(kept.image)} aria-label=${`Pin the picture of step ${numberOf(entry)} for a new document`}>Pin</button></div>`;
  const wish = (kind, rest = {}) => () => {
    setMore(false);
    setWish({ kind, entry, ...rest });
  };
  const order = doc.steps.map((each) => each.step.index);
  const at = order.indexOf(entry.step.index);
  const move = (by) => () => {
    setMore(false);
    const moved = order.with(at, order[at + by]).with(at + by, order[at]);
    act(() => api.order(home.id, moved), `Step ${numberOf(entry)} is step ${numberOf(entry) + by} now.`);
  };
  const name = `step ${numberOf(entry)}`;
  return html`<div class="step-actions" ref=${place}>
    <button type="button" class="quiet" onClick=${wish("redraw")} aria-label=${`${draws ? "Redraw" : "Draw"} ${name}`}>${draws ? "Redraw" : "Draw"}</button>
    <button type="button" class="quiet" onClick=${wish("text")} aria-label=${`Edit the text of ${name}`}>Edit text</button>
    <button type="button" class="quiet" aria-expanded=${String(more)} aria-label=${`More for ${name}`} onClick=${() => setMore(!more)}>More</button>
    ${more && html`<div class="menu">
      ${kept && html`<button type="button" onClick=${() => { setMore(false); pinOf(kept.image); }}>Pin its picture for a new document</button>`}
      ${kept && html`<${PinHere} ...${{ image: kept.image, doc, home, act }} done=${() => setMore(false)} />`}
      <button type="button" onClick=${wish("branch")}>Branch from here</button>
      <button type="button" onClick=${wish("insert", { after: order[at - 1] ?? 0 })}>Insert a step before</button>
      <button type="button" onClick=${wish("insert", { after: entry.step.index })}>Insert a step after</button>
      ${at > 0 && html`<button type="button" onClick=${move(-1)}>Move up</button>`}
      ${at < order.length - 1 && html`<button type="button" onClick=${move(1)}>Move down</button>`}
      ${order.length > 1 && html`<button type="button" class="danger" onClick=${wish("delete")}>Delete</button>`}
    </div>`}
  </div>`;
}

/** Gives a picture to every drawing of this document from here on, or no longer. */
function PinHere({ image, doc, home, act, done }) {
  const { references } = doc.request;
  const pinned = references.some((each) => each.digest === image.digest);
  const rest = references.map((each) => each.digest).filter((digest) => digest !== image.digest);
  const pin = () => {
    done();
    act(() => api.pinned(home.id, pinned ? rest : [...rest, image.digest]), pinned ? "Unpinned." : "Pinned: whatever is drawn here from now on is given this picture.");
  };
  return html`<button type="button" onClick=${pin}>${pinned ? "Unpin it here" : "Pin it for what is drawn here"}</button>`;
}
