"""What made a document, and how long it took: read off the document itself, nothing looked up or guessed."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from interleavethinker import __version__
from interleavethinker.document import Document
from interleavethinker.types import Value


class Seconds(Value):
    """Seconds by phase, summed over the run. They do not add up to `total`: the plan is written while step 1 is drawn.

    `total` is wall time from the request to the end, None for a run that has not ended.
    """

    plan: float
    queue: float
    draw: float
    judge: float
    total: float | None


class Provenance(Value):
    """`generators` are name@revision, as the drawings say; `seed` is the request's, each attempt has its own."""

    notice: str = "The pictures and the text of this document were made by machine."
    software: str = f"interleavethinker {__version__}"
    run_id: str
    status: str
    document_digest: str
    seed: int
    created_at: datetime
    finished_at: datetime | None
    generators: tuple[str, ...]
    drawings: int = Field(description="pictures drawn, the discarded ones included")
    seconds: Seconds

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
            generators=tuple(sorted({attempt.model for attempt in attempts if attempt.model})),
            drawings=len(attempts),
            seconds=Seconds(
                plan=document.plan_seconds,
                queue=sum(attempt.queue_seconds for attempt in attempts),
                draw=sum(attempt.draw_seconds for attempt in attempts),
                judge=sum(attempt.judge_seconds for attempt in attempts),
                total=(ended - document.created_at).total_seconds() if ended else None,
            ),
        )
