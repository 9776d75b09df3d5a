// Where the time of a run went: a line for each plan, wait, drawing and judgement; how far its pictures have drifted;
// what the models said word for word; and what it takes to make the same again.

import { html, useEffect, useState } from "../core/ui.js";
import { address, api } from "../core/api.js";
import { curlOf, pythonOf } from "../core/again.js";
import { to } from "../core/route.js";
import { spansOf, sums } from "../core/trace.js";
import { nameOf, numberOf, seconds, titleOf } from "../core/words.js";
import { copy } from "./away.js";
import { Standing } from "./standing.js";

const PHASES = { wait: "waiting", plan: "planning", queue: "in the queue", draw: "drawing", judge: "judging" };

/** The API's trace, anew after every few events; the page's own, of what it knows, where there is none. */
function useTrace(home, recorded) {
  const [trace, setTrace] = useState(null);
  useEffect(() => {
    const timer = setTimeout(() => api.trace(home.id).then(setTrace, () => setTrace(null)), 150);
    return () => clearTimeout(timer);
  }, [home, recorded.length]);
  const spans = trace?.spans ?? spansOf(recorded);
  return { trace, spans, totals: trace?.totals ?? sums(spans), answers: answersOf(recorded) };
}

function answersOf(recorded) {
  return recorded
    .map(({ event }) => event)
    .filter((event) => event.raw?.length)
    .map((event) => ({
      name: event.type === "planned" ? "The planner" : `The critic, on step ${event.step}, attempt ${event.number}`,
      model: event.model,
      raw: event.raw,
    }));
}

export function Trace({ home, state, doc, live }) {
  const { spans, totals, answers, trace } = useTrace(home, state.recorded);
  return html`<div class="trace">
    <p><a href=${to.document(home.id)}>← Back to the document</a></p>
    <h1>Where the time went</h1>
    <p class="soft">${titleOf(doc.request.brief.prompt)}</p>
    <${Standing} ...${{ doc, state, live, home }} />
    <section aria-labelledby="timeline"><h2 id="timeline">Timeline</h2>
      <ul class="legend">${Object.entries(PHASES).filter(([phase]) => totals[phase] !== undefined).map(([phase, name]) =>
        html`<li><span class=${`swatch ${phase}`}></span>${name} <strong>${seconds(totals[phase])}</strong></li>`)}</ul>
      <${Timeline} spans=${spans} /></section>
    ${trace?.drift?.length > 0 && html`<${Drift} drift=${trace.drift} doc=${doc} />`}
    <section aria-labelledby="answers"><h2 id="answers">What the models answered</h2>
      ${answers.length === 0 && html`<p class="soft">Nothing yet.</p>`}
      ${answers.map(({ name, model, raw }) => html`<details class="answer"><summary>${name} ${model && html`<small>${model}</small>`}${raw.length > 1 && html` <small>asked ${raw.length} times</small>`}</summary>
        ${raw.map((text) => html`<pre tabindex="0">${text}</pre>`)}</details>`)}</section>
    <section aria-labelledby="again"><h2 id="again">Make it again</h2>
      <p class="soft">The same request, seed and models give the same document.</p>
      <${Code} name="curl" text=${curlOf(doc.request, address("interleave"))} />
      <${Code} name="Python" text=${pythonOf(doc.request, address(""))} />
      ${trace?.settings && html`<details class="answer"><summary>Every setting</summary><pre tabindex="0">${JSON.stringify(trace.settings, null, 1)}</pre></details>`}
    </section>
  </div>`;
}

function Timeline({ spans }) {
  if (!spans.length) return html`<p class="soft">Nothing yet.</p>`;
  const end = Math.max(...spans.map((span) => span.end), 0.001);
  const rows = rowsOf(spans);
  return html`<div class="timeline" role="img" aria-label=${`A timeline of ${seconds(end)}; the table below says the same in numbers`}>
      ${rows.map(({ name, spans }) => html`<div class="lane"><span class="lane-name">${name}</span><div class="bar">${spans.map((span) =>
        html`<span class=${`span ${span.phase}`} title=${`${PHASES[span.phase] ?? span.phase}: ${seconds(span.end - span.start)}`}
          style=${{ left: `${(100 * span.start) / end}%`, width: `${Math.max(0.3, (100 * (span.end - span.start)) / end)}%` }}></span>`)}</div></div>`)}
      <div class="lane axis"><span class="lane-name"></span><div class="bar"><span>0 s</span><span>${seconds(end / 2)}</span><span>${seconds(end)}</span></div></div>
    </div>
    <details class="answer"><summary>In numbers</summary><div class="scroll" tabindex="0" role="region" aria-label="The spans in numbers"><table>
      <thead><tr><th scope="col">What</th><th scope="col">Step</th><th scope="col">Attempt</th><th scope="col">From</th><th scope="col">For</th><th scope="col">By</th></tr></thead>
      <tbody>${spans.map((span) => html`<tr><td>${PHASES[span.phase] ?? span.phase}</td><td>${span.step ?? ""}</td><td>${span.number ?? ""}</td>
        <td>${span.start.toFixed(2)} s</td><td>${(span.end - span.start).toFixed(2)} s</td><td>${[span.model, span.worker].filter(Boolean).join(" on ")}</td></tr>`)}</tbody></table></div></details>`;
}

/** The distances of each step's picture from the anchor's. */
function Drift({ drift, doc }) {
  const nameOfStep = (index) => {
    const entry = doc.steps.find((each) => each.step.index === index);
    return entry ? `${numberOf(entry)}. ${nameOf(entry.step, numberOf(entry))}` : `Step ${index}`;
  };
  const share = (value) => html`<td><span class="meter" aria-hidden="true"><span style=${{ width: `${100 * value}%` }}></span></span> ${value.toFixed(3)}</td>`;
  return html`<section aria-labelledby="drift"><h2 id="drift">Drift</h2>
    <p class="soft">How far each picture is from that of “${nameOfStep(drift[0].anchor)}”: 0 is alike, 1 as far as can be. Colour tells of style, light and palette; layout of everything that changed, wanted or not.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="The drift in numbers"><table class="drift">
      <thead><tr><th scope="col">Step</th><th scope="col">Colour</th><th scope="col">Layout</th></tr></thead>
      <tbody>${drift.map(({ step, colour, layout }) => html`<tr><td>${nameOfStep(step)}</td>${share(colour)}${share(layout)}</tr>`)}</tbody></table></div></section>`;
}

/** A lane for the run as a whole, and one for each attempt. */
function rowsOf(spans) {
  const rows = new Map();
  for (const span of spans) {
    const name = span.step === null ? (span.phase === "plan" ? "Plan" : "Run") : `Step ${span.step}, attempt ${span.number ?? "?"}`;
    rows.set(name, [...(rows.get(name) ?? []), span]);
  }
  return [...rows].map(([name, spans]) => ({ name, spans }));
}

function Code({ name, text }) {
  return html`<div class="code"><div class="row"><strong>${name}</strong><button type="button" class="plain" onClick=${() => copy(text, name)}>Copy</button></div><pre tabindex="0">${text}</pre></div>`;
}
