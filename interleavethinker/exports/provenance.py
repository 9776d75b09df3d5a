"""What made a document, and how long it took: read off the document itself, nothing looked up or guessed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import Field

from interleavethinker import __version__
from interleavethinker.document import Document, DocumentAttempt, DocumentStep
from interleavethinker.types import Cost, Digest, Screening, Value, Verdict

TRAINED_ALGORITHMIC_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for media made by a trained model, as the pictures themselves say (EU AI Act, art. 50)."""


class Seconds(Value):
    """Seconds by phase, summed over the run. They do not add up to `total`: the plan is written while step 1 is drawn.

    `total` is wall time from the request to the end, None for a run that has not ended.
    """

    plan: float
    queue: float
    draw: float
    judge: float
    total: float | None


class PictureProvenance(Value):
    """One drawing, the discarded ones included. `shown`: it stands in the document."""

    step: int
    number: int
    shown: bool
    image: Digest
    job_id: Digest
    generator: str
    reported: str = Field(default="", description="what a hosted generator's server said of itself")
    cost: Cost | None = None
    prompt: str
    seed: int
    references: tuple[Digest, ...] = ()
    critic: str = ""
    verdict: Verdict | None = None


class Provenance(Value):
    """Models are name@revision, as they said themselves; `seed` is the request's, each picture has its own.

    `screenings` are the content filter's words: of the brief, of each prompt, of each picture. Empty: there was none.
    """

    notice: str = "The pictures and the text of this document were made by machine."
    digital_source_type: str = TRAINED_ALGORITHMIC_MEDIA
    software: str = f"interleavethinker {__version__}"
    run_id: str
    status: str
    document_digest: str
    seed: int
    created_at: datetime
    finished_at: datetime | None
    prompt: str
    planner: str
    critics: tuple[str, ...]
    generator: str | None = Field(default=None, description="the one that the request asked for, by its name here")
    generators: tuple[str, ...]
    drawings: int = Field(description="pictures drawn, the discarded ones included")
    costs: dict[str, float] = Field(default={}, description="of all drawings by hosted models, by currency")
    seconds: Seconds
    pictures: tuple[PictureProvenance, ...]
    screenings: tuple[Screening, ...]

    @classmethod
    def of(cls, document: Document) -> Provenance:
        attempts = [attempt for step in document.steps for attempt in step.attempts]
        ended = document.finished_at
        return cls(
            run_id=document.run_id,
            status=document.status,
            document_digest=document.digest,
            seed=document.request.seed,
            created_at=document.created_at,
            finished_at=ended,
            prompt=document.request.brief.prompt,
            planner=document.planner,
            critics=tuple(sorted({attempt.critic for attempt in attempts if attempt.critic})),
            generator=document.request.generator,
            generators=tuple(sorted({attempt.model for attempt in attempts if attempt.model})),
            drawings=len(attempts),
            costs=_costs(attempts),
            seconds=Seconds(
                plan=document.plan_seconds,
                queue=sum(attempt.queue_seconds for attempt in attempts),
                draw=sum(attempt.draw_seconds for attempt in attempts),
                judge=sum(attempt.judge_seconds for attempt in attempts),
                total=(ended - document.created_at).total_seconds() if ended else None,
            ),
            pictures=tuple(_picture(step, attempt) for step in document.steps for attempt in step.attempts),
            screenings=document.screenings,
        )


def _costs(attempts: Sequence[DocumentAttempt]) -> dict[str, float]:
    found: dict[str, float] = {}
    for cost in (attempt.cost for attempt in attempts if attempt.cost):
        found[cost.currency] = round(found.get(cost.currency, 0.0) + cost.amount, 9)
    return found


def _picture(step: DocumentStep, attempt: DocumentAttempt) -> PictureProvenance:
    return PictureProvenance(
        step=step.step.index,
        number=attempt.number,
        shown=attempt.number == step.kept,
        image=attempt.image.digest,
        job_id=attempt.job_id,
        generator=attempt.model,
        reported=attempt.reported,
        cost=attempt.cost,
        prompt=attempt.prompt,
        seed=attempt.seed,
        references=tuple(reference.digest for reference in attempt.references),
        critic=attempt.critic,
        verdict=attempt.verdict,
    )
