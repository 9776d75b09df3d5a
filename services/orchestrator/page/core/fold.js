// A document from its events, as interleavethinker/document.py folds them; tests/page compares the two event by event.
// Pure: nothing here fetches, and no value is changed in place.

const FINAL = new Set(["succeeded", "partial", "failed", "canceled"]);

/** Whether a run of this status is at its end. */
export const isFinal = (status) => FINAL.has(status);

/** The document after these recorded events, the first being `created`. `unknown` lists event types not understood. */
export function fold(recorded) {
  const [first, ...rest] = recorded;
  let document = {
    run_id: first.run_id,
    status: "queued",
    request: first.event.request,
    created_at: first.at,
    finished_at: null,
    reasoning: "",
    planner: "",
    plan_seconds: 0,
    steps: [],
    screenings: [],
    problem: null,
    origin: null,
  };
  const unknown = [];
  for (const each of rest) {
    const rule = RULES[each.event.type];
    if (rule) document = { ...document, ...rule(document, each.event, each) };
    else unknown.push(each.event.type);
  }
  return { document: { ...document, steps: withStale(document.steps, first.event.request) }, unknown };
}

const again = (document, event) => ({
  status: "queued",
  problem: null,
  finished_at: null,
  ...(event.budget ? { request: { ...document.request, budget: event.budget } } : {}),
});

const RULES = {
  created: () => ({}),
  started: () => ({ status: "processing" }),
  step_planned: (document, event) => ({ steps: put(document.steps, newStep(event.step)) }),
  planned: (_, event) => ({ reasoning: event.plan.reasoning, plan_seconds: event.seconds, planner: event.model }),
  screened: (document, event) => ({ screenings: [...document.screenings, event.screening] }),
  plan_edited: (document, event) => ({ steps: event.plan.steps.map((step) => replanned(document.steps, step)) }),
  plan_awaited: () => ({ status: "waiting" }),
  plan_approved: () => ({ status: "queued" }),
  drawn: (document, event) => change(document, event.step, (entry) => ({ attempts: [...entry.attempts, attempt(entry, event)] })),
  judged: (document, event) =>
    change(document, event.step, (entry) => ({
      attempts: entry.attempts.map((each) =>
        each.number === event.number
          ? { ...each, verdict: event.verdict, judge_seconds: event.seconds, critic: event.model }
          : each,
      ),
    })),
  step_finished: (document, event) =>
    change(document, event.step, () => ({
      finished: true,
      kept: event.kept,
      accepted: event.accepted,
      chosen: false,
      reopened: null,
    })),
  attempt_kept: (document, event) =>
    change(document, event.step, () => ({ kept: event.number, accepted: event.accepted, chosen: true })),
  step_reopened: (document, event) => ({
    ...again(document, event),
    ...change(document, event.step, (entry) => ({
      reopened: {
        first: entry.attempts.length + 1,
        prompt: event.prompt,
        seed: event.seed,
        max_attempts: event.max_attempts,
      },
      asked: event.prompt ?? entry.asked,
    })),
  }),
  branched: (_, event) => ({ origin: { run_id: event.run_id, from_step: event.from_step } }),
  finished: (document, event, recorded) => ({
    status: event.status,
    problem: event.problem,
    finished_at: recorded.at,
    ...(event.status === "canceled" ? { steps: document.steps.map((entry) => ({ ...entry, reopened: null })) } : {}),
  }),
  resumed: (document, event) => again(document, event),
};

function newStep(step) {
  return {
    step,
    attempts: [],
    finished: false,
    kept: null,
    accepted: null,
    chosen: false,
    stale: false,
    reopened: null,
    asked: null,
  };
}

function attempt(entry, event) {
  return {
    number: event.number,
    prompt: event.job.prompt,
    asked: entry.asked,
    seed: event.job.seed,
    references: event.job.references,
    job_id: event.drawing.job_id,
    image: event.drawing.image,
    model: event.drawing.model,
    verdict: null,
    critic: "",
    queue_seconds: event.drawing.queue_seconds,
    draw_seconds: event.drawing.draw_seconds,
    judge_seconds: 0,
  };
}

function put(steps, entry) {
  const place = steps.findIndex((each) => each.step.index === entry.step.index);
  return place < 0 ? [...steps, entry] : steps.map((each, at) => (at === place ? entry : each));
}

function change(document, index, update) {
  return {
    steps: document.steps.map((entry) => (entry.step.index === index ? { ...entry, ...update(entry) } : entry)),
  };
}

function replanned(steps, step) {
  const entry = steps.find((each) => each.step.index === step.index);
  return entry && same(entry.step, step) ? entry : newStep(step);
}

const same = (one, other) => Object.keys(other).every((name) => one[name] === other[name]);

/** The attempt whose picture stands, if any. */
export const keptOf = (entry) => entry.attempts.find((each) => each.number === entry.kept) ?? null;

/** The picture that an attempt was drawn from: what comes before the request's own references. */
export function canvasOf(attempt, request) {
  return attempt.references.length > request.references.length ? attempt.references[0] : null;
}

/** A picture is stale when it, or one before it, was not drawn from what stands before it now. */
function withStale(entries, request) {
  let canvas = request.brief.images.at(-1)?.digest ?? null;
  let stale = false;
  return entries.map((entry) => {
    const kept = keptOf(entry);
    if (!kept) return entry;
    stale ||= (canvasOf(kept, request)?.digest ?? null) !== canvas;
    canvas = kept.image.digest;
    return { ...entry, stale };
  });
}
