// What a reader may do with a document as a whole.

import { html } from "../core/ui.js";
import { api } from "../core/api.js";
import { to } from "../core/route.js";

export function Actions({ home, doc, live, act, setWish, state }) {
  const ended = !live;
  const wish = (kind) => () => setWish({ kind });
  const cut = ["partial", "failed"].includes(doc.status);
  const hasPicture = doc.steps.some((entry) => entry.kept !== null);
  return html`<div class="actions">
    ${live && html`<button type="button" class="plain danger" onClick=${() => act(() => api.cancel(home.id), "Canceled; what is finished stands.")}>Cancel</button>`}
    ${cut && html`<button type="button" class="main" onClick=${wish("resume")}>Resume</button>`}
    ${ended && hasPicture && html`<button type="button" class="plain" onClick=${wish("continue")}>Continue</button>`}
    ${ended && html`<button type="button" class="plain" onClick=${wish("insert")}>Add a step</button>`}
    <button type="button" class="plain" onClick=${wish("share")}>Share</button>
    ${hasPicture && html`<button type="button" class="plain" onClick=${wish("export")}>Export</button>`}
    <a class="plain" href=${to.trace(home.id)}>Where did the time go?</a>
  </div>`;
}
