// Where the time of a run went, from its events alone: for each plan, wait, drawing and judgement a span of seconds.
// The API's own /trace says more where there is one; this needs nothing but what the page has anyway.

/** [{phase, step, number, start, end}] in seconds since the run was asked for. */
export function spansOf(recorded) {
  if (!recorded.length) return [];
  const zero = Date.parse(recorded[0].at);
  const second = (at) => (Date.parse(at) - zero) / 1000;
  const spans = [];
  let asked = 0; // since when the run waits to be taken up
  const add = (phase, start, end, step = null, number = null) =>
    spans.push({ phase, step, number, start: Math.max(0, start), end: Math.max(0, end) });
  for (const { at, event } of recorded) {
    const now = second(at);
    if (event.type === "started" && asked !== null) {
      add("wait", asked, now);
      asked = null;
    } else if (event.type === "planned") add("plan", now - event.seconds, now);
    else if (event.type === "drawn") {
      const { queue_seconds: queued, draw_seconds: drew } = event.drawing;
      if (queued > 0) add("queue", now - drew - queued, now - drew, event.step, event.number);
      add("draw", now - drew, now, event.step, event.number);
    } else if (event.type === "judged") add("judge", now - event.seconds, now, event.step, event.number);
    else if (["plan_approved", "resumed", "step_reopened"].includes(event.type)) asked ??= now;
  }
  return spans;
}

/** Seconds by phase. */
export function sums(spans) {
  const total = {};
  for (const { phase, start, end } of spans) total[phase] = (total[phase] ?? 0) + end - start;
  return total;
}

/** Seconds for which the run was worked on, up to `now` (ms) where it still is; waiting for its turn is not counted. */
export function workedSeconds(recorded, now) {
  let worked = 0;
  let since = null;
  for (const { at, event } of recorded) {
    const time = Date.parse(at);
    if (event.type === "started") since ??= time;
    else if (since !== null && (event.type === "finished" || event.type === "plan_awaited")) {
      worked += time - since;
      since = null;
    }
  }
  return (worked + (since === null ? 0 : Math.max(0, now - since))) / 1000;
}
