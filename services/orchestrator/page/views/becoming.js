// A picture that is not there yet: its latest preview, or an empty frame, and how far the drawing is.

import { local } from "../core/api.js";
import { html } from "../core/ui.js";
import { useSource } from "./picture.js";

export function Becoming({ progress, underWay, live }) {
  const source = useSource(progress?.preview ? local(progress.preview) : null);
  return html`<div class=${`becoming ${underWay ? "under-way" : ""}`}>
    ${source ? html`<img class="picture preview" src=${source} alt="The drawing as far as it is" />` : html`<div class="frame">${underWay ? html`<span class="pulse"></span>` : live ? "to come" : "no picture"}</div>`}
    ${progress?.of > 0 && html`<progress aria-label="This drawing" max=${progress.of} value=${progress.done}></progress>`}
  </div>`;
}
