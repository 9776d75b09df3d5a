// The frame of all dialogs, and the two that belong to no view: help, and the reader's key.

import { Fragment, html, useId, useLayoutEffect, useRef, useState } from "../core/ui.js";
import { SHORTCUTS } from "../core/keys.js";
import { choice, choose, key, setKey } from "../core/session.js";

let wantKey = () => {};
/** Asks the reader for a key: the API wants one. */
export const askForKey = () => wantKey();
export function useKeyWanted(open) {
  wantKey = open;
}

/** A modal dialog. `submit`, where given, makes it a form; it stays open while that fails, and shows why. */
export function Dialog({ title, close, submit, done = "Save", wide, children }) {
  const frame = useRef(null);
  const id = useId();
  const [trouble, setTrouble] = useState("");
  const [busy, setBusy] = useState(false);
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = frame.current;
    dialog.showModal();
    dialog.querySelector("[data-first]")?.focus();
    return () => {
      const now = document.activeElement; // whoever pressed a key since the browser closed it is elsewhere already
      if (before?.isConnected && (!now || now === document.body || dialog.contains(now))) before.focus();
    };
  }, []);
  const send = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setTrouble("");
    try {
      await submit(new FormData(event.target));
      close();
    } catch (problem) {
      if (problem.status === 401) askForKey();
      setTrouble(problem.sentence ?? String(problem));
    } finally {
      setBusy(false);
    }
  };
  const aside = (event) => event.target === frame.current && !submit && close();
  return html`<dialog ref=${frame} class=${wide ? "wide" : ""} aria-labelledby=${id} onClose=${close} onClick=${aside}>
    <form onSubmit=${submit ? send : (event) => event.preventDefault()}>
      <h2 id=${id}>${title}</h2>
      <div class="dialog-body">${children}</div>
      ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
      <div class="row end">
        ${submit
          ? html`<${Fragment}><button type="button" class="plain" onClick=${close}>Cancel</button><button class="main" disabled=${busy}>${busy ? "Wait…" : done}</button><//>`
          : html`<button type="button" class="main" onClick=${close}>Close</button>`}
      </div>
    </form>
  </dialog>`;
}

/** A label over its control. */
export function Field({ label, hint, children, className = "" }) {
  return html`<label class=${`field ${className}`}><span>${label}${hint && html` <small>${hint}</small>`}</span>${children}</label>`;
}

export function Help({ close }) {
  const letters = choice("letters", "on") === "on";
  return html`<${Dialog} title="Keyboard" close=${close} wide>
    <div class="shortcuts">
      ${SHORTCUTS.map(([where, keys]) => html`<section><h3>${where}</h3><dl>
        ${keys.map(([name, what]) => html`<div><dt><kbd>${name}</kbd></dt><dd>${what}</dd></div>`)}
      </dl></section>`)}
    </div>
    <label class="check"><input type="checkbox" checked=${letters} onChange=${(event) => choose("letters", event.target.checked ? "on" : "off")} /> Single letters are shortcuts</label>
    <p class="soft">What the API can do is described <a href="docs" target="_blank" rel="noopener">at /docs</a>.</p>
  <//>`;
}

export function KeyDialog({ close }) {
  const save = async (form) => {
    setKey(form.get("key").trim());
    location.reload(); // all that was asked without the key is asked again
  };
  return html`<${Dialog} title="Your key" close=${close} submit=${save} done="Use it">
    <p>Some installations want to know who asks. Whoever runs this one gives out keys. It is kept in this tab until you close it, and sent to this server only.</p>
    <${Field} label="Key" hint="empty: none"><input data-first name="key" type="password" autocomplete="off" spellcheck=${false} defaultValue=${key() ?? ""} /><//>
  <//>`;
}
