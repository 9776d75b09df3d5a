// Words for what happened to a run, a step and an attempt; the same outcomes as the exports name
// (interleavethinker/exports/view.py). Pure text: no markup here.

import { isFinal, keptOf } from "./fold.js";

export const STATUS = {
  queued: "Waiting its turn",
  processing: "Being made",
  waiting: "Plan awaits your word",
  succeeded: "Done",
  partial: "Cut short",
  failed: "Failed",
  canceled: "Canceled",
};

/** The request in one line. */
export function titleOf(prompt, longest = 160) {
  const text = prompt.replaceAll("<image>", " ").split(/\s+/).filter(Boolean).join(" ");
  return text.length <= longest ? text : `${text.slice(0, longest - 1).replace(/\s\S*$/, "")}…`;
}

/** The step's number as readers see it; its index stays the same wherever it is moved. */
export const numberOf = (entry) => entry.number ?? entry.step.index;

/** A step's name, begun with a capital. */
export function nameOf(step, number = step.index) {
  const name = step.name.trim() || `Step ${number}`;
  return name[0].toUpperCase() + name.slice(1);
}

/** What a reader reads of a step. */
export const textOf = (step) => step.auxiliary_text || step.instruction || "";

/** A probability for people, never rounded up to certainty. */
export const sureness = (confidence) =>
  confidence === null || confidence === undefined ? "" : `${Math.min(99, Math.round(confidence * 100))}% sure`;

/** {mark, text} of an attempt: mark is accepted, redrawn, refused or unjudged. */
export function verdictOf(entry, attempt) {
  const last = attempt === entry.attempts.at(-1);
  if (!attempt.verdict) return { mark: "unjudged", text: "not judged" };
  if (attempt.verdict.outcome === "abstain") return { mark: "unjudged", text: "the critic had no verdict" };
  const kept = attempt.number === entry.kept;
  if (kept && entry.accepted) return { mark: "accepted", text: "accepted" };
  const accepts = attempt.verdict.outcome === "accept";
  const open = !entry.finished || entry.reopened;
  if (last && open) return accepts ? { mark: "accepted", text: "accepted" } : { mark: "redrawn", text: "to be redrawn" };
  const unsure = accepts && !entry.chosen;
  if (last || kept) return { mark: "refused", text: unsure ? "accepted, but not surely enough" : "not accepted" };
  if (accepts) return { mark: "redrawn", text: entry.accepted ? "accepted earlier" : "redrawn: not sure enough" };
  return { mark: "redrawn", text: "redrawn" };
}

/** {mark, text} of a step, in a few words. `live`: the run is under way. */
export function noteOf(entry, live) {
  const kept = keptOf(entry);
  const drawn = (count) => (count === 1 ? "drawn once" : `drawn ${count} times`);
  if (entry.reopened) return { mark: "open", text: live ? "being drawn again" : "to be drawn again" };
  if (!kept) {
    if (entry.finished) return { mark: "words", text: "in words only" };
    if (!entry.attempts.length) return { mark: "open", text: live ? "to be drawn" : "not drawn" };
    return { mark: "open", text: `${drawn(entry.attempts.length)}, not settled` };
  }
  const { mark, text } = verdictOf(entry, kept);
  const how = drawn(entry.attempts.length);
  if (entry.chosen) return { mark, text: `${how}; you chose number ${kept.number}` };
  if (mark === "refused") {
    const best = entry.attempts.length > 1 ? `; number ${kept.number} is the best` : "";
    return { mark, text: `${how}, not accepted${best}` };
  }
  return { mark, text: [how, text, sureness(kept.verdict?.confidence)].filter(Boolean).join(", ") };
}

/** Why a document is not whole, in a sentence; empty when there is nothing to say. */
export function troubleOf(document) {
  const said = {
    partial: "This document was cut short; what was finished stands.",
    failed: "This document could not be made.",
    canceled: "This document was canceled; what was finished stands.",
  }[document.status];
  if (!said) return "";
  return document.problem ? `${said} ${document.problem.detail}` : said;
}

/** The faults in a critic's reasoning that goes through a picture place by place; null for any other reasoning. */
export function faultsOf(reasoning) {
  if (/[.!?](\s|$)/.test(reasoning)) return null;
  const entries = [["", []]];
  for (const word of reasoning.split(/\s+/).filter(Boolean)) {
    if (/^[a-z]\d{1,2}$/.test(word)) entries.push([word, []]);
    else entries.at(-1)[1].push(word);
  }
  if (entries.length <= 3) return null;
  return entries
    .map(([place, words]) => [place, words.join(" ").split(/ but (.*)/s)])
    .filter(([, halves]) => halves.length > 1)
    .map(([place, [wanted, seen]]) => ({ place, wanted, seen }));
}

/** Seconds for people: 0.4 s, 12 s, 3 min 20 s. */
export function seconds(value) {
  if (value < 10) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** How far a run is: {draws, most, done, steps, settled}. `done` is between 0 and 1. */
export function progressOf(document) {
  const draws = document.steps.reduce((sum, entry) => sum + entry.attempts.length, 0);
  const settled = document.steps.filter((entry) => entry.finished && !entry.reopened).length;
  const steps = document.steps.length;
  const done = isFinal(document.status) ? 1 : steps ? settled / steps : 0;
  return { draws, most: document.request.budget.max_draws, done, steps, settled };
}

/** What an event means to somebody who listens; empty where it is not worth a word. */
export function tellOf({ event }, document) {
  const of = `Step ${event.step}`;
  switch (event.type) {
    case "step_planned":
      return `Step ${event.step.index} is planned: ${nameOf(event.step)}.`;
    case "planned":
      return `The plan has ${count(event.plan.steps.length, "step")}.`;
    case "plan_awaited":
      return "The plan waits for your word.";
    case "drawn":
      return `${of}: attempt ${event.number} is drawn.`;
    case "judged": {
      const said = { accept: "accepted", revise: "to be redrawn", abstain: "not judged" }[event.verdict.outcome];
      return `${of}: attempt ${event.number} is ${said}.`;
    }
    case "step_finished":
      return event.accepted === false ? `${of} is finished, but was not accepted.` : `${of} is finished.`;
    case "finished":
      return `${STATUS[event.status]}: ${titleOf(document.request.brief.prompt, 80)}`;
    default:
      return "";
  }
}

/** "1 step", "3 steps". */
export const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
