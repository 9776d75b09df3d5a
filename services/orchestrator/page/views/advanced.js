// What few readers set for a new document: how a picture is sampled, what it is drawn from, how long it may take, whom to tell.

import { html } from "../core/ui.js";
import { EVENTS } from "../core/ask.js";
import { Field } from "./dialogs.js";

/** A disclosure below the settings; core/ask.js reads its fields. A field that is wrong opens it, to be seen. */
export function Advanced() {
  return html`<details class="settings wide"><summary>Advanced</summary><div class="grid">
    <${Field} label="Denoising steps" hint="up to 200"><input type="number" name="num_inference_steps" min="1" max="200" placeholder="the model’s own" /><//>
    <${Field} label="Guidance" hint="0 to 50"><input type="number" name="guidance_scale" min="0" max="50" step="any" placeholder="the model’s own" /><//>
    <${Field} label="Time in all" hint="seconds, at most"><input type="number" name="max_seconds" min="0.1" step="any" placeholder="no limit" /><//>
    <${Field} label="Drawings of each redraw" hint="up to 8; the best is kept"><input type="number" name="candidates" min="1" max="8" placeholder="1" /><//>
    <${Field} label="Anchor" hint="a step’s number: later drawings are given its picture too"><input type="number" name="anchor" min="1" max="1000000" placeholder="none" /><//>
    <label class="check wide"><input type="checkbox" name="independent_steps" /> Independent steps: none is drawn from the picture before it</label>
    <${Field} label="Webhook" hint="an address that is told, signed" className="wide"><input type="url" name="webhook" maxlength="2000" pattern="https?://.+" title="an address that begins with https:// or http://" placeholder="https://…" /><//>
    <fieldset class="wide"><legend>The webhook is told when</legend><div class="choices">
      ${EVENTS.map(([value, name]) => html`<label><input type="checkbox" name="webhook_events" value=${value} defaultChecked=${value === "finished"} /><span>${name}</span></label>`)}
    </div></fieldset>
  </div></details>`;
}

/** For a form's `onInvalidCapture`: opens what hides a field that is wrong. */
export function uncover(event) {
  for (let place = event.target.closest("details"); place; place = place.parentElement.closest("details")) place.open = true;
}
