// A step's attempts side by side: what each was drawn from, what the critic said, and what it changed.

import { html } from "../core/ui.js";
import { api } from "../core/api.js";
import { changes } from "../core/diff.js";
import { faultsOf, seconds, sureness, verdictOf } from "../core/words.js";
import { Becoming } from "./becoming.js";
import { Picture } from "./picture.js";

export function Attempts({ entry, home, live, act, pinOf, underWay, progress }) {
  const last = entry.attempts.at(-1);
  const judging = last && !last.verdict && !progress?.of;
  return html`<ol class="attempts">
    ${entry.attempts.map((attempt, place) => html`<${Attempt} key=${attempt.number} ...${{ entry, attempt, home, live, act, pinOf }} before=${entry.attempts[place - 1]} judging=${underWay && attempt === last && judging} />`)}
    ${underWay && !judging && html`<${Coming} entry=${entry} before=${last} progress=${progress} />`}
  </ol>`;
}

function Attempt({ entry, attempt, before, home, live, act, pinOf, judging }) {
  const { mark, text } = judging ? { mark: "drawing", text: "being judged" } : verdictOf(entry, attempt);
  const kept = attempt.number === entry.kept;
  const verdict = attempt.verdict;
  const keep = () => act(() => api.keep(home.id, entry.step.index, attempt.number), `Attempt ${attempt.number} stands now.`);
  return html`<li class=${kept ? `kept ${mark}` : ""}>
    <${Picture} home=${home} image=${attempt.image} alt=${`Attempt ${attempt.number} at step ${entry.step.index}`} wide=${240} />
    <h3>Attempt ${attempt.number} <span class=${`badge ${mark}`}>${text}</span> ${kept && html`<small>stands</small>`}</h3>
    ${verdict && html`<${Said} verdict=${verdict} />`}
    <${Prompt} label=${wordsFor(attempt, before)} before=${before?.prompt} after=${attempt.prompt} />
    <p class="numbers">seed ${attempt.seed} · drawn in ${seconds(attempt.draw_seconds)}${verdict ? ` · judged in ${seconds(attempt.judge_seconds)}` : ""}</p>
    ${!home.readOnly && html`<div class="step-actions">
      ${!kept && !live && entry.finished && html`<button type="button" class="quiet" onClick=${keep}>Let this one stand</button>`}
      <button type="button" class="quiet" onClick=${() => pinOf(attempt.image)} aria-label=${`Pin attempt ${attempt.number} as reference`}>Pin</button>
    </div>`}
  </li>`;
}

function wordsFor(attempt, before) {
  if (!before) return attempt.asked ? "Drawn from what you asked" : "Drawn from";
  if (before.prompt === attempt.prompt) return "Drawn from the same words";
  const critics = before.verdict?.refined_prompt === attempt.prompt;
  return critics ? "What the critic changed" : attempt.asked ? "What you changed" : "Drawn from other words";
}

/** An attempt that is being drawn. */
function Coming({ entry, before, progress }) {
  const again = entry.reopened && entry.attempts.length + 1 === entry.reopened.first;
  const prompt = (again ? null : before?.verdict?.refined_prompt) ?? entry.reopened?.prompt ?? entry.asked ?? entry.step.prompt ?? "";
  return html`<li class="coming">
    <${Becoming} progress=${progress} underWay=${true} live=${true} />
    <h3>Attempt ${entry.attempts.length + 1} <span class="badge drawing">${progress?.waiting ? "waits for a worker" : "being drawn"}</span></h3>
    <${Prompt} label=${before && !again ? "What the critic changed" : "Drawn from"} before=${before?.prompt} after=${prompt} />
  </li>`;
}

/** What the critic found: its objections place by place where it speaks so, else its words. */
function Said({ verdict }) {
  const found = faultsOf(verdict.reasoning);
  const sure = sureness(verdict.confidence);
  return html`<div class="said">
    ${found?.length > 0 && html`<span class="label">The critic’s objections</span><ul class="faults">
      ${found.map(({ place, wanted, seen }) => html`<li>${place && html`<span class="place">${place}</span> `}${wanted}, but <strong>${seen}</strong></li>`)}</ul>`}
    ${found === null && verdict.reasoning && html`<span class="label">The critic</span><p class="reason">${verdict.reasoning}</p>`}
    ${sure && html`<span class="label">${sure}</span>`}
  </div>`;
}

/** A prompt, with what changed in it since the one before. */
export function Prompt({ label, before, after }) {
  const pieces = before === undefined ? [{ kind: "same", text: after }] : changes(before, after);
  return html`<p class="prompt"><span class="label">${label}</span> ${pieces.map(({ kind, text }, place) => {
    const space = place ? " " : "";
    if (kind === "added") return html`${space}<ins>${text}</ins>`;
    if (kind === "removed") return html`${space}<del>${text}</del>`;
    return space + text;
  })}</p>`;
}
