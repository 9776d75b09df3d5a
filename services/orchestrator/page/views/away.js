// What a document becomes outside of this page: a link that others can read it by, and files.

import { html, useEffect, useState } from "../core/ui.js";
import { api } from "../core/api.js";
import { Dialog, Field } from "./dialogs.js";
import { note } from "./say.js";

/** Puts a text into the clipboard, and says so. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    note(`${what} copied.`);
  } catch {
    note("The browser does not let this page copy; select the text and copy it yourself.", true);
  }
}

export function Share({ home, close }) {
  const [link, setLink] = useState(null);
  const [trouble, setTrouble] = useState("");
  const [seconds, setSeconds] = useState("");
  const tried = (call) => async () => {
    setTrouble("");
    try {
      await call();
    } catch (problem) {
      setTrouble(problem.sentence ?? String(problem));
    }
  };
  useEffect(() => {
    api.shared(home.id).then(setLink, () => {}); // not shared yet
  }, []);
  const make = tried(async () => setLink(await api.share(home.id, Number(seconds) || null)));
  const end = tried(async () => {
    await api.unshare(home.id);
    setLink(null);
    note("The link opens nothing any more.");
  });
  return html`<${Dialog} title="Share to read" close=${close}>
    ${link
      ? html`<p>Whoever has this link can read the document, and change nothing${link.expires_at ? `, until ${new Date(link.expires_at).toLocaleString()}` : ""}.</p>
        <div class="row tight"><input readonly aria-label="The link" value=${link.url} onFocus=${(event) => event.target.select()} />
          <button type="button" class="main" onClick=${() => copy(link.url, "Link")}>Copy</button></div>
        <button type="button" class="plain danger" onClick=${end}>Let the link end</button>`
      : html`<p>Makes a link by which others can read this document as it is, and as it becomes. They need no key, and can change nothing.</p>
        <${Field} label="It opens"><select value=${seconds} onChange=${(event) => setSeconds(event.target.value)}>
          <option value="">until I end it</option><option value="86400">for a day</option><option value="604800">for a week</option><option value="2592000">for 30 days</option></select><//>
        <button type="button" class="main" data-first onClick=${make}>Make a link</button>`}
    ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
  <//>`;
}

export function Export({ home, doc, close }) {
  const [formats, setFormats] = useState([]);
  const [busy, setBusy] = useState("");
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    api.formats().then(setFormats, () => {});
  }, []);
  const fetchFile = async (format) => {
    setBusy(format.name);
    setTrouble("");
    try {
      save(await api.blob(home.export(format.name)), doc.run_id + format.suffix);
    } catch (problem) {
      setTrouble(problem.sentence ?? String(problem));
    }
    setBusy("");
  };
  const asJson = () => save(new Blob([JSON.stringify(doc, null, 1)], { type: "application/json" }), `${doc.run_id}.json`);
  return html`<${Dialog} title="Take it away" close=${close}>
    <ul class="formats">${formats.map((format) => html`<li key=${format.name}><button type="button" disabled=${Boolean(busy)} onClick=${() => fetchFile(format)}>
      <strong>${format.label}</strong><small>${busy === format.name ? "being made…" : format.suffix}</small></button></li>`)}
      ${formats.length === 0 && html`<li><button type="button" onClick=${asJson}><strong>JSON</strong><small>the document with everything known of how it was made</small></button></li>`}</ul>
    ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
  <//>`;
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
