// A document from its events, as interleavethinker/document.py folds them; tests/page compares the two event by event.
// Pure: nothing here fetches.

import { CHANGES, inserted, keptOf, newEntry } from "./entries.js";

export { keptOf };
const FINAL = new Set(["succeeded", "partial", "failed", "canceled"]);

/** Whether a run of this status is at its end. */
export const isFinal = (status) => FINAL.has(status);

/** The document after these recorded events, the first being `created`. `unknown` lists event types not understood. */
export function fold(recorded) {
  const [first, ...rest] = recorded;
  const document = {
    run_id: first.run_id,
    status: "queued",
    request: first.event.request,
    created_at: first.at,
    finished_at: null,
    reasoning: "",
    planner: "",
    plan_seconds: 0,
    steps: [],
    deleted: [],
    screenings: [],
    problem: null,
    origin: null,
  };
  const plan = { entries: new Map(), order: [] }; // by index; and the indexes that are shown, as they are shown
  const unknown = [];
  for (const each of rest) {
    const { type } = each.event;
    if (CHANGES[type]) changed(plan, each.event, document.request.references);
    if (RULES[type]) Object.assign(document, RULES[type](document, each.event, each, plan));
    else if (!CHANGES[type] && type !== "created") unknown.push(type);
  }
  const { entries, order } = plan;
  const lowest = Math.min(...entries.keys());
  const shown = order.map((index, place) => ({ ...entries.get(index), number: lowest + place }));
  document.steps = withStale(shown, document.request);
  document.deleted = [...entries.values()].filter((entry) => !order.includes(entry.step.index));
  return { document, unknown };
}

function changed({ entries }, event, pinned) {
  const index = typeof event.step === "object" ? event.step.index : event.step;
  const entry = entries.get(index);
  entries.set(index, { ...entry, ...CHANGES[event.type](entry, event, pinned) });
}

const again = (document, event) => ({
  status: "queued",
  problem: null,
  finished_at: null,
  request: { ...document.request, budget: event.budget ?? document.request.budget },
});

const RULES = {
  started: () => ({ status: "processing" }),
  step_planned: (_document, { step }, _recorded, { entries, order }) => {
    if (!entries.has(step.index)) order.push(step.index);
    entries.set(step.index, newEntry(step));
  },
  planned: (_, event) => ({ reasoning: event.plan.reasoning, plan_seconds: event.seconds, planner: event.model }),
  screened: (document, event) => ({ screenings: [...document.screenings, event.screening] }),
  plan_edited: (_document, event, _recorded, plan) => {
    plan.entries = new Map(event.plan.steps.map((step) => [step.index, replanned(plan.entries.get(step.index), step)]));
    plan.order = [...plan.entries.keys()];
  },
  plan_awaited: () => ({ status: "waiting" }),
  plan_approved: () => ({ status: "queued" }),
  step_inserted: (_document, { step, after }, _recorded, { entries, order }) => {
    entries.set(step.index, inserted(step));
    order.splice(order.indexOf(after) + 1, 0, step.index);
  },
  arranged: (_document, event, _recorded, plan) => {
    plan.order = [...event.order];
  },
  pinned: (document, { references }) => ({ request: { ...document.request, references } }),
  step_reopened: again,
  resumed: again,
  branched: (_, event) => ({ origin: { run_id: event.run_id, from_step: event.from_step } }),
  finished: (_, event, recorded, { entries }) => {
    if (event.status === "canceled") for (const [index, entry] of entries) entries.set(index, { ...entry, reopened: null });
    return { status: event.status, problem: event.problem, finished_at: recorded.at };
  },
};

function replanned(entry, step) {
  const same = entry && Object.keys(step).every((name) => entry.step[name] === step[name]);
  return same ? entry : newEntry(step);
}

/** A picture is stale when it, or one before it, was not drawn from what stands before it now, or from its prompt. */
function withStale(entries, request) {
  let canvas = request.brief.images.at(-1)?.digest ?? null;
  let stale = false;
  return entries.map((entry) => {
    const kept = keptOf(entry);
    if (!kept) return entry;
    stale ||= entry.reworded || (kept.canvas?.digest ?? null) !== canvas;
    canvas = kept.image.digest;
    return { ...entry, stale };
  });
}
