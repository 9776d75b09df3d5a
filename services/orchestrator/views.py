"""What callers get back: the JSON of a run, its links and its document, and of what webhooks were told.

Deliberately not here: what callers send (`door`, `wishes`), and the document itself (interleavethinker/document.py).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from interleavethinker.document import Document
from interleavethinker.events import Status
from services.orchestrator.links import Signer
from services.orchestrator.outbox import Delivery, DeliveryState
from services.orchestrator.pace import RunProgress
from services.orchestrator.records import RunSummary
from services.orchestrator.waiting import Place


class Links(BaseModel):
    """Where to go from here; absolute. `image` and `export` are templates: put a picture's digest for {digest}, and a
    name out of GET /formats for {format}."""

    self: str
    document: str
    events: str
    image: str
    cancel: str = Field(description="call it with DELETE")
    export: str

    @classmethod
    def of(cls, run_id: str, base_url: str, token: str | None = None) -> Links:
        """`token`: of the share link that the caller reads with; then the links open with it too."""
        run = f"{base_url.rstrip('/')}/interleave/{run_id}"
        how = f"?share={token}" if token else ""
        return cls(
            self=run + how,
            document=run + how,
            events=f"{run}/events{how}",
            image=f"{run}/images/{{digest}}{how}",
            cancel=run,
            export=f"{run}/export?format={{format}}{how.replace('?', '&')}",
        )


_HERE = "https://pictures.example/interleave/run_509c3dd586ad794990124f78"
RUN_EXAMPLES: list[JsonValue] = [
    {
        "id": "run_509c3dd586ad794990124f78",
        "status": "queued",
        "created_at": "2026-11-23T16:00:45.510101Z",
        "prompt": "How do I draw a snowman with a red hat, step by step?",
        "title": "How do I draw a snowman with a red hat, step by step?",
        "steps": 0,
        "cover": None,
        "links": {
            "self": _HERE,
            "document": _HERE,
            "events": f"{_HERE}/events",
            "image": f"{_HERE}/images/{{digest}}",
            "cancel": _HERE,
            "export": f"{_HERE}/export?format={{format}}",
        },
        "queue": {"position": 3, "starts_in_seconds": 41.7},
    }
]


class QueueView(BaseModel):
    """Where a waiting run stands."""

    position: int = Field(description="1: the next one to begin. Tenants take turns")
    starts_in_seconds: float | None = Field(
        description="an estimate from what recent runs took; null while there are none"
    )

    @classmethod
    def of(cls, place: Place | None) -> QueueView | None:
        return place and cls(position=place.position, starts_in_seconds=place.starts_in)


class CoverView(BaseModel):
    """The picture that a run is shown by."""

    digest: str
    url: str = Field(description="where links are signed, it opens without a key for a while")


class RunView(BaseModel):
    """A run: how it stands, and where to find the rest."""

    model_config = ConfigDict(json_schema_extra={"examples": RUN_EXAMPLES})
    id: str
    status: Status
    created_at: datetime
    expires_at: datetime | None = Field(default=None, description="may be deleted from then on; null: it is kept")
    prompt: str
    title: str = Field(default="", description="the prompt in one line")
    steps: int = Field(default=0, description="how many the document has, or are planned so far")
    cover: CoverView | None = Field(default=None, description="the last finished step's picture")
    links: Links
    queue: QueueView | None = Field(default=None, description="present while the run is queued")

    @classmethod
    def of(
        cls,
        run: RunSummary,
        base_url: str,
        *,
        place: Place | None = None,
        signer: Signer | None = None,
        retention: timedelta | None = None,
    ) -> RunView:
        links = Links.of(run.id, base_url)
        cover = None
        if run.cover:
            url = links.image.replace("{digest}", run.cover)
            cover = CoverView(digest=run.cover, url=f"{url}?{signer.query(run.id, run.cover)}" if signer else url)
        return cls(
            id=run.id,
            status=run.status,
            created_at=run.created_at,
            expires_at=retention and run.created_at + retention,
            prompt=run.request.brief.prompt,
            title=run.title,
            steps=run.steps,
            cover=cover,
            links=links,
            queue=QueueView.of(place),
        )


class DocumentView(BaseModel):
    """A run with its document as it stands now."""

    id: str
    status: Status
    expires_at: datetime | None = Field(default=None, description="may be deleted from then on; null: it is kept")
    links: Links
    document: Document
    digest: str = Field(description="of the document's content: equal for equal texts, pictures and verdicts")
    images: dict[str, str] = Field(
        default={}, description="where each picture is, by digest; where links are signed, it opens without a key"
    )
    queue: QueueView | None = Field(default=None, description="present while the run is queued")
    progress: RunProgress | None = Field(default=None, description="present until the run is at its end")

    @classmethod
    def of(
        cls,
        document: Document,
        base_url: str,
        *,
        place: Place | None = None,
        signer: Signer | None = None,
        retention: timedelta | None = None,
        token: str | None = None,
    ) -> DocumentView:
        links = Links.of(document.run_id, base_url, token)
        places = {digest: links.image.replace("{digest}", digest) for digest in document.images}
        if signer and not token:  # a share link is revoked at once, a signed one only ends
            places = {digest: f"{url}?{signer.query(document.run_id, digest)}" for digest, url in places.items()}
        return cls(
            id=document.run_id,
            status=document.status,
            expires_at=retention and document.created_at + retention,
            links=links,
            document=document,
            digest=document.digest,
            images=places,
            queue=QueueView.of(place),
        )


class DeliveryView(BaseModel):
    """One event for one webhook: whether it was told, and what was wrong with the last try."""

    id: str = Field(description="the `webhook-id` of every try")
    url: str
    seq: int = Field(description="of the event")
    state: DeliveryState
    tries: int
    created_at: datetime
    next_try_at: datetime | None = Field(description="null when there will be none")
    problem: str | None

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryView:
        told = delivery._asdict()
        due_at = told.pop("due_at")
        return cls(**told, next_try_at=due_at if delivery.state is DeliveryState.DUE else None)


class DeliveryList(BaseModel):
    """A run's deliveries, in the order of its events."""

    deliveries: list[DeliveryView]


class RunList(BaseModel):
    """Runs, newest first. `next` is the cursor of the next page, null on the last one."""

    runs: list[RunView]
    next: str | None


class CancelView(BaseModel):
    """What became of a cancel. An unknown run answers 404 with `cancel: unknown` in the problem."""

    cancel: Literal["requested", "already_done"]
