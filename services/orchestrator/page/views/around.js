// What stands around a document's steps: the list of them, the pictures it was given, what was deleted, who made it.

import { html } from "../core/ui.js";
import { api } from "../core/api.js";
import { nameOf, noteOf, numberOf } from "../core/words.js";
import { Picture } from "./picture.js";

export function Outline({ doc, live, drawing, current, stand }) {
  if (doc.steps.length < 2) return html`<div class="outline"></div>`;
  return html`<nav class="outline" aria-label="Steps"><ol>
    ${doc.steps.map((entry) => {
      const { index } = entry.step;
      const { mark, text } = noteOf(entry, live);
      return html`<li key=${index}><button type="button" aria-current=${current === index ? "step" : null} onClick=${() => stand(index)} title=${text}>
        <span class=${`dot ${drawing === index ? "drawing" : mark}`}></span><span>${numberOf(entry)}. ${nameOf(entry.step, numberOf(entry))}</span><span class="unseen">, ${text}</span></button></li>`;
    })}
  </ol></nav>`;
}

export function GivenPictures({ home, doc }) {
  const { brief, references } = doc.request;
  if (!brief.images.length && !references.length) return null;
  const all = [...brief.images.map((image) => [image, "given"]), ...references.map((image) => [image, "pinned"])];
  return html`<ul class="inputs" aria-label="Pictures of the request">
    ${all.map(([image, what], place) => html`<li key=${place}><${Picture} home=${home} image=${image} alt=${`Picture ${place + 1} of the request, ${what}`} wide=${128} /><small>${what}</small></li>`)}
  </ul>`;
}

export function Deleted({ doc, home, act }) {
  const order = doc.steps.map((entry) => entry.step.index);
  const back = (entry) => act(() => api.order(home.id, [...order, entry.step.index]), "It is back, as the last step.");
  return html`<details class="settings"><summary>Deleted steps (${doc.deleted.length})</summary><ul class="deleted">
    ${doc.deleted.map((entry) => html`<li key=${entry.step.index} class="row"><span>${nameOf(entry.step)}</span>
      <button type="button" class="quiet" onClick=${() => back(entry)} aria-label=${`Put back: ${nameOf(entry.step)}`}>Put back</button></li>`)}</ul></details>`;
}

export function Footer({ doc }) {
  const models = [...new Set(doc.steps.flatMap((entry) => entry.attempts.map((each) => each.model)))].filter(Boolean);
  const critics = [...new Set(doc.steps.flatMap((entry) => entry.attempts.map((each) => each.critic)))].filter(Boolean);
  return html`<footer class="made"><p>The texts and pictures were made by machines.</p><dl>
    ${doc.planner && html`<div><dt>Planned by</dt><dd>${doc.planner}</dd></div>`}
    ${models.length > 0 && html`<div><dt>Drawn by</dt><dd>${models.join(", ")}</dd></div>`}
    ${critics.length > 0 && html`<div><dt>Judged by</dt><dd>${critics.join(", ")}</dd></div>`}
    <div><dt>Seed</dt><dd>${doc.request.seed}</dd></div>
    <div><dt>Run</dt><dd>${doc.run_id}</dd></div>
  </dl></footer>`;
}
