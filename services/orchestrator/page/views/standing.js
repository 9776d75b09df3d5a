// How a run stands: its state in a word, how far it is, how long it took, how long it may take, what it may still draw.

import { html, useEffect, useState } from "../core/ui.js";
import { now } from "../core/api.js";
import { workedSeconds } from "../core/trace.js";
import { count, progressOf, seconds, STATUS } from "../core/words.js";

/** Renders again every second while `on`. */
function useClock(on) {
  const [, tick] = useState(0);
  useEffect(() => {
    if (!on) return undefined;
    const timer = setInterval(() => tick((times) => times + 1), 1000);
    return () => clearInterval(timer);
  }, [on]);
}

export function Standing({ doc, state, live, home }) {
  useClock(live);
  const { draws, most, done, steps, settled } = progressOf(doc);
  const worked = workedSeconds(state.recorded, now());
  const run = state.progress?.run;
  const left = run?.remaining_estimate != null ? Math.max(1, run.remaining_estimate - (now() - state.at) / 1000) : null;
  const facts = [
    steps > 0 && `${settled} of ${count(steps, "step")}`,
    home.readOnly ? null : most ? `${draws} of ${count(most, "drawing")}` : draws > 0 && count(draws, "drawing"),
    worked > 0 && (live ? `${seconds(worked)} so far` : seconds(worked)),
    live && left !== null && `about ${seconds(Math.ceil(left))} left`,
  ].filter(Boolean);
  return html`<div class="standing">
    <p class="facts"><span class=${`badge ${doc.status}`}>${STATUS[doc.status]}</span>
      ${facts.map((fact, place) => html`<span key=${place}>${fact}</span>`)}
      ${state.connection === "retrying" && html`<span class="cut">The line is cut; trying again…</span>`}</p>
    ${queueWords(doc, state) && html`<p class="soft">${queueWords(doc, state)}</p>`}
    ${live && doc.status !== "waiting" && html`<progress aria-label="Steps finished" max="1" value=${steps ? done : null}></progress>`}
  </div>`;
}

function queueWords(doc, state) {
  const waiting = state.progress?.waiting;
  if (doc.status !== "queued" || waiting?.what !== "turn") return "";
  const ahead = waiting.ahead > 0 ? `${count(waiting.ahead, "document")} before it` : "It is the next one";
  return waiting.starts_in_seconds === null ? `${ahead}.` : `${ahead}; begins in about ${seconds(Math.ceil(waiting.starts_in_seconds))}.`;
}
