// The steps of a document with the attempts at them, and how each event changes one: interleavethinker/document.py's
// rules. Pure: no value is changed in place.

export function newEntry(step) {
  return {
    step,
    number: step.index,
    attempts: [],
    finished: false,
    kept: null,
    accepted: null,
    chosen: false,
    stale: false,
    reworded: false,
    reopened: null,
    asked: null,
    references: null,
  };
}

/** A step in words only is there at once; one with a prompt is to be drawn. */
export const inserted = (step) => ({ ...newEntry(step), finished: !step.prompt });

/** The attempt whose picture stands, if any. */
export const keptOf = (entry) => entry.attempts.find((each) => each.number === entry.kept) ?? null;

/** What an event of this type changes in its step; `pinned`: the references that the run has by then. */
export const CHANGES = {
  drawn: (entry, event, pinned) => ({ attempts: [...entry.attempts, attempt(entry, event, pinned)] }),
  judged: (entry, event) => ({
    attempts: entry.attempts.map((each) =>
      each.number === event.number
        ? { ...each, verdict: event.verdict, judge_seconds: event.seconds, critic: event.model }
        : each,
    ),
  }),
  step_finished: (_, event) => ({
    finished: true,
    kept: event.kept,
    accepted: event.accepted,
    chosen: false,
    reopened: null,
    reworded: false,
  }),
  attempt_kept: (_, event) => ({ kept: event.number, accepted: event.accepted, chosen: true, reworded: false }),
  step_reopened: (entry, event) => ({
    reopened: {
      first: entry.attempts.length + 1,
      prompt: event.prompt,
      seed: event.seed,
      max_attempts: event.max_attempts,
    },
    asked: event.prompt ?? entry.asked,
    references: event.references ?? entry.references,
  }),
  step_edited: (entry, { step }) => (step.prompt === entry.step.prompt ? { step } : reworded(entry, step)),
};

function attempt(entry, { number, job, drawing }, pinned) {
  const given = entry.references ?? pinned;
  return {
    number,
    prompt: job.prompt,
    asked: entry.asked,
    seed: job.seed,
    references: job.references,
    canvas: job.references.length > given.length ? job.references[0] : null,
    job_id: drawing.job_id,
    image: drawing.image,
    model: drawing.model,
    verdict: null,
    critic: "",
    queue_seconds: drawing.queue_seconds,
    draw_seconds: drawing.draw_seconds,
    judge_seconds: 0,
    cost: drawing.cost ?? null,
    reported: drawing.reported ?? "",
  };
}

/** The step's texts with another prompt: what its attempts were asked for stays with them. */
function reworded(entry, step) {
  const attempts = entry.attempts.map((each) => ({ ...each, asked: each.asked || entry.step.prompt }));
  const shown = attempts.find((each) => each.number === entry.kept);
  return { step, attempts, asked: null, reworded: shown !== undefined && shown.asked !== step.prompt };
}
