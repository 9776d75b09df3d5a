// A plan that waits for its reader's word: each step can be changed, moved, left out or added before anything is drawn.

import { html, useEffect, useRef, useState } from "../core/ui.js";
import { api, newId } from "../core/api.js";

const rowOf = (entry) => ({ key: newId(), step: { ...entry.step } });

export function PlanReview({ home, doc, act }) {
  const [rows, setRows] = useState(doc.steps.map(rowOf));
  const [busy, setBusy] = useState(false);
  const saved = useRef(doc.steps);
  const first = doc.steps[0]?.step.index ?? 1;
  useEffect(() => {
    // Another tab's edit is taken over; one's own text is not lost to an event that changes nothing.
    if (JSON.stringify(saved.current.map((each) => each.step)) === JSON.stringify(doc.steps.map((each) => each.step))) return;
    saved.current = doc.steps;
    setRows(doc.steps.map(rowOf));
  }, [doc]);
  const numbered = rows.map(({ step }, place) => ({ ...step, index: first + place }));
  const changed = JSON.stringify(numbered) !== JSON.stringify(saved.current.map((each) => each.step));
  const write = (key, name, value) =>
    setRows(rows.map((row) => (row.key === key ? { ...row, step: { ...row.step, [name]: value || (name === "name" ? "" : null) } } : row)));
  const move = (place, by) => {
    const next = [...rows];
    [next[place], next[place + by]] = [next[place + by], next[place]];
    setRows(next);
  };
  const add = () => setRows([...rows, { key: newId(), step: { index: 0, name: "", instruction: null, prompt: null, auxiliary_text: null } }]);
  const put = async () => {
    const steps = numbered;
    const done = await act(() => api.putPlan(home.id, steps), "The plan is changed.");
    if (done) saved.current = steps.map((step) => ({ step }));
    return done;
  };
  const approve = async () => {
    setBusy(true);
    if (!changed || (await put())) await act(() => api.approve(home.id));
    setBusy(false);
  };
  return html`<section class="plan" aria-labelledby="plan-title">
    <h2 id="plan-title">The plan</h2>
    <p class="soft">Nothing is drawn yet. Change what you like; it is drawn when you say so.</p>
    <ol>${rows.map(({ key, step }, place) => html`<li key=${key}>
      <fieldset><legend>Step ${first + place}</legend>
        <label class="field"><span>Name</span><input value=${step.name} onInput=${(event) => write(key, "name", event.target.value)} /></label>
        <label class="field"><span>Text</span><textarea rows="2" value=${step.auxiliary_text ?? step.instruction ?? ""} onInput=${(event) => write(key, step.auxiliary_text === null ? "instruction" : "auxiliary_text", event.target.value)}></textarea></label>
        <label class="field"><span>What to draw <small>empty: nothing</small></span><textarea rows="2" value=${step.prompt ?? ""} onInput=${(event) => write(key, "prompt", event.target.value)}></textarea></label>
        <div class="row">
          <button type="button" class="quiet" disabled=${place === 0} onClick=${() => move(place, -1)} aria-label=${`Move step ${first + place} up`}>Up</button>
          <button type="button" class="quiet" disabled=${place === rows.length - 1} onClick=${() => move(place, 1)} aria-label=${`Move step ${first + place} down`}>Down</button>
          <button type="button" class="quiet danger" disabled=${rows.length === 1} onClick=${() => setRows(rows.filter((row) => row.key !== key))} aria-label=${`Leave step ${first + place} out`}>Leave out</button>
        </div></fieldset></li>`)}</ol>
    <div class="row"><button type="button" class="plain" onClick=${add}>Add a step</button>
      ${changed && html`<button type="button" class="plain" onClick=${put}>Save the plan</button>`}
      <button type="button" class="main" disabled=${busy} onClick=${approve}>${changed ? "Save and draw it" : "Draw it"}</button></div>
  </section>`;
}
