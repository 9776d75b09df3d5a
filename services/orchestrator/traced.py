"""A run's spans: `run` (a round, whoever works on it), below it `work` (one replica's), `plan`, `step`, `attempt`,
`draw` and `judge`.

`RoundSpans` stands in front of the ports like patience does, so that recorded answers, which reach no port, make no
spans. Steps and attempts are read off the calls and the events; the loop knows nothing of them. Deliberately not here:
the times that a caller is shown (`trace`, `spans`), which come from the journal and need no tracing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span

from interleavethinker import tracing
from interleavethinker.events import Created, Event, Finished, Judged, Recorded, StepFinished
from interleavethinker.ports import Critic, Generator, Judgement, Planner, Planning
from interleavethinker.tracing import RoundTrace
from interleavethinker.types import Brief, Critique, Drawing, ImageJob, Step
from services.orchestrator.board import under_way
from services.orchestrator.leases import Claim
from services.orchestrator.rounds import BEGINS_ROUND

OURS = "interleavethinker."


def round_trace(run_id: str, past: Sequence[Recorded]) -> RoundTrace:
    return RoundTrace(run_id, sum(isinstance(each.event, BEGINS_ROUND) for each in past))


def run_id_attributes(run_id: str) -> dict[str, Any]:
    return {OURS + "run_id": run_id, "gen_ai.conversation.id": run_id}


def tell_asked(run_id: str) -> None:
    """Link the request that asks for a run, which is in a trace of its own or of its caller's, to the run's first
    round."""
    if tracing.on():
        tracing.annotate(run_id_attributes(run_id))
        trace.get_current_span().add_link(RoundTrace(run_id, 0).context())


def tell_end(run_id: str, past: Sequence[Recorded], end: Event) -> None:
    """Make the span of the whole round, from its asking until now. `past`: the run's events from its beginning."""
    if not tracing.on():
        return
    asked = next(each for each in reversed(past) if isinstance(each.event, (Created, *BEGINS_ROUND)))
    made = round_trace(run_id, past)
    known = {
        **run_id_attributes(run_id),
        OURS + "round": made.number,
        OURS + "asked": asked.event.type,
        OURS + "status": end.status.value if isinstance(end, Finished) else end.type,
    }
    problem = end.problem.detail if isinstance(end, Finished) and end.problem else None
    made.ended(known, began=asked.at.timestamp(), problem=problem)


class RoundSpans:
    """The spans of one replica's work on one round."""

    def __init__(self) -> None:
        self._step: tuple[int, Span] | None = None
        self._attempt: tuple[tuple[int, int], Span] | None = None

    def planner(self, planner: Planner) -> Planner:
        return _TracedPlanner(planner)

    def generator(self, generator: Generator) -> Generator:
        return _TracedGenerator(generator, self)

    def critic(self, critic: Critic) -> Critic:
        return _TracedCritic(critic, self)

    @contextmanager
    def attempt(self, name: str, attributes: Mapping[str, Any]) -> Iterator[Span]:
        """Something done for the attempt that the loop has under way."""
        step, number = under_way.get()
        if self._step is None or self._step[0] != step:
            self.close()
            self._step = step, tracing.start(f"step {step}", {OURS + "step": step})
        if self._attempt is None or self._attempt[0] != (step, number):
            self._end_attempt()
            with tracing.under(self._step[1]):
                known = {OURS + "step": step, OURS + "attempt": number}
                self._attempt = (step, number), tracing.start(f"attempt {number}", known)
        with tracing.under(self._attempt[1]), tracing.span(name, attributes) as made:
            yield made

    def saw(self, event: Event) -> None:
        """An event that was recorded just now."""
        match event:
            case Judged(verdict=verdict) if self._attempt:
                self._attempt[1].set_attribute(OURS + "outcome", verdict.outcome.value)
                self._end_attempt()
            case StepFinished(accepted=accepted) if self._step:
                if accepted is not None:
                    self._step[1].set_attribute(OURS + "accepted", accepted)
                self.close()

    def close(self) -> None:
        """End what is open: the run stops here."""
        self._end_attempt()
        if self._step:
            self._step[1].end()
            self._step = None

    def _end_attempt(self) -> None:
        if self._attempt:
            self._attempt[1].end()
            self._attempt = None


@contextmanager
def working(claim: Claim, past: Sequence[Recorded]) -> Iterator[RoundSpans]:
    """One replica's work on the round of a run that it has claimed. Without tracing, spans that are nothing."""
    spans = RoundSpans()
    with ExitStack() as stack:
        if tracing.on():
            known = {
                **run_id_attributes(claim.run_id),
                OURS + "fence": claim.fence,
                OURS + "taken_over_from": claim.lost_by,
            }
            known = {name: value for name, value in known.items() if value is not None}
            stack.enter_context(round_trace(claim.run_id, past).working(known))
            stack.callback(spans.close)
        yield spans


class _TracedPlanner:
    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    async def plan(self, brief: Brief, *, seed: int = 0, max_steps: int = 25) -> AsyncGenerator[Step | Planning, None]:
        span = tracing.start("plan", {OURS + "pictures": [f"sha256:{image.digest}" for image in brief.images]})
        try:
            answer = self._planner.plan(brief, seed=seed, max_steps=max_steps)
            async with aclosing(tracing.through(span, answer)) as parts:
                async for part in parts:
                    if isinstance(part, Planning):
                        span.set_attribute(OURS + "steps", len(part.plan.steps))
                        span.set_attribute("gen_ai.request.model", part.model or "")
                    yield part
        finally:
            span.end()


class _TracedGenerator:
    def __init__(self, generator: Generator, spans: RoundSpans) -> None:
        self._generator, self._spans = generator, spans
        self.foresee, self.forget = generator.foresee, generator.forget

    async def draw(self, job: ImageJob) -> Drawing:
        known = {
            OURS + "job_id": job.id,
            OURS + "seed": job.seed,
            OURS + "references": [f"sha256:{image.digest}" for image in job.references],
        }
        with self._spans.attempt("draw", known) as span:
            drawing = await self._generator.draw(job)
            span.set_attribute(OURS + "image", f"sha256:{drawing.image.digest}")
            span.set_attribute("gen_ai.request.model", drawing.model)
            return drawing


class _TracedCritic:
    def __init__(self, critic: Critic, spans: RoundSpans) -> None:
        self._critic, self._spans = critic, spans

    async def judge(self, critique: Critique) -> Judgement:
        with self._spans.attempt("judge", {OURS + "image": f"sha256:{critique.after.digest}"}) as span:
            judgement = await self._critic.judge(critique)
            span.set_attribute(OURS + "outcome", judgement.verdict.outcome.value)
            if judgement.verdict.confidence is not None:
                span.set_attribute(OURS + "confidence", judgement.verdict.confidence)
            return judgement
