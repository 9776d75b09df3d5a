"""What callers send and get back: the JSON of POST /interleave, and of a run with its links.

Deliberately not here: the routes (`api`), and the request as the inside knows it (`types.InterleaveRequest`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from interleavethinker.codec import clean, plain
from interleavethinker.document import Document
from interleavethinker.errors import BadRequest
from interleavethinker.events import Event, Status
from interleavethinker.ports import Blobs
from interleavethinker.types import (
    IMAGE_MARKER,
    AttemptCount,
    Brief,
    Budget,
    CriticMode,
    GenerationParams,
    InterleaveRequest,
    Seed,
    Size,
    StepCount,
    Value,
)
from services.orchestrator.intake import Fetch, take_images
from services.orchestrator.journal import RunSummary
from services.orchestrator.links import Signer
from services.orchestrator.outbox import Delivery, DeliveryState
from services.orchestrator.settings import ImageLimits
from services.orchestrator.waiting import Place

PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP8z4AdMOEQH6QSAM1BAQ/oQeJvAAAAAElF"
    "TkSuQmCC"
)
EXAMPLES: list[JsonValue] = [
    {"prompt": "How do I draw a snowman with a red hat, step by step?"},
    {
        "prompt": "<image> Continue this story with three more pictures.",
        "images": [PICTURE],
        "seed": 7,
        "max_attempts": 3,
        "critic": "strict",
        "budget": {"max_draws": 12, "max_seconds": 120},
        "size": {"width": 512, "height": 512},
        "params": {"num_inference_steps": 4},
        "references": [PICTURE],
        "review_plan": True,
        "webhook": {"url": "https://pictures.example/told", "events": ["plan_awaited", "finished"]},
    },
]
EVENT_TYPES = sorted(event.model_fields["type"].default for event in get_args(get_args(Event)[0]))


def _is_event(name: str) -> str:
    if name not in EVENT_TYPES:
        raise ValueError(f"no event is named {name[:40]!r}; there are {', '.join(EVENT_TYPES)}")
    return name


EventType = Annotated[str, AfterValidator(_is_event), WithJsonSchema({"type": "string", "enum": EVENT_TYPES})]


class WebhookAsk(Value):
    """Whom to tell what happens in this run (Standard Webhooks; docs/api.md says how it is signed)."""

    url: str = Field(min_length=1, max_length=2_000, description="https:// or http://, with a public address")
    events: tuple[EventType, ...] = Field(default=("finished",), min_length=1, max_length=len(EVENT_TYPES))


class Ask(BaseModel):
    """A document to make."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": EXAMPLES})

    prompt: str = Field(min_length=1, max_length=32_000, description="`<image>` marks where an input image belongs")
    images: tuple[str, ...] = Field(
        default=(), description="PNG, JPEG or WebP as a data: URL or base64, or the digest of a stored image"
    )
    seed: Seed = Field(default=0, description="the same request and seed give the same document")
    max_attempts: AttemptCount = Field(default=5, description="drawings per step, the first one included")
    max_steps: StepCount = 25
    critic: CriticMode = Field(
        default=CriticMode.QUICK,
        description="off: first drawings stand; quick: its verdict counts; strict: only a sure accept does",
    )
    budget: Budget = Budget()
    size: Size | None = Field(default=None, description="of the pictures; null: the generator's default")
    params: GenerationParams = GenerationParams()
    references: tuple[str, ...] = Field(
        default=(), description="pictures, written as in `images`, that every drawing is given: a style, a character"
    )
    review_plan: StrictBool = Field(
        default=False, description="wait for approval (or edits) of the plan before drawing"
    )
    webhook: WebhookAsk | None = None

    @model_validator(mode="after")
    def _prompt_fits(self) -> Self:
        """Checked before any image is stored: nothing is kept of a request that is refused."""
        if not clean(self.prompt).strip():
            raise ValueError("the prompt says nothing: write what the document should show")
        if (markers := self.prompt.count(IMAGE_MARKER)) > len(self.images):
            raise ValueError(f"the prompt has {markers} {IMAGE_MARKER} markers, {len(self.images)} images were given")
        return self

    async def request(self, blobs: Blobs, limits: ImageLimits, fetch: Fetch | None = None) -> InterleaveRequest:
        """The inner request, its images checked and stored, and no character in its prompt that hides or turns others.
        Raises BadRequest."""
        given = {"images": self.images, "references": self.references}
        taken = await take_images(given, blobs, limits, fetch)
        images, references = taken["images"], taken["references"]
        try:
            brief = Brief(prompt=plain(self.prompt), images=images)
        except ValidationError as error:
            raise BadRequest("; ".join(found["msg"] for found in error.errors())) from error
        own = ("prompt", "images", "references", "webhook")
        rest = {name: getattr(self, name) for name in type(self).model_fields if name not in own}
        return InterleaveRequest(brief=brief, references=references, **rest)


class Links(BaseModel):
    """Where to go from here; absolute. `image` is a template: put a picture's digest for {digest}."""

    self: str
    document: str
    events: str
    image: str
    cancel: str = Field(description="call it with DELETE")

    @classmethod
    def of(cls, run_id: str, base_url: str) -> Links:
        run = f"{base_url.rstrip('/')}/interleave/{run_id}"
        return cls(self=run, document=run, events=f"{run}/events", image=f"{run}/images/{{digest}}", cancel=run)


_HERE = "https://pictures.example/interleave/run_509c3dd586ad794990124f78"
RUN_EXAMPLES: list[JsonValue] = [
    {
        "id": "run_509c3dd586ad794990124f78",
        "status": "queued",
        "created_at": "2026-11-23T16:00:45.510101Z",
        "prompt": "How do I draw a snowman with a red hat, step by step?",
        "links": {
            "self": _HERE,
            "document": _HERE,
            "events": f"{_HERE}/events",
            "image": f"{_HERE}/images/{{digest}}",
            "cancel": _HERE,
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


class RunView(BaseModel):
    """A run: how it stands, and where to find the rest."""

    model_config = ConfigDict(json_schema_extra={"examples": RUN_EXAMPLES})
    id: str
    status: Status
    created_at: datetime
    expires_at: datetime | None = Field(default=None, description="may be deleted from then on; null: it is kept")
    prompt: str
    links: Links
    queue: QueueView | None = Field(default=None, description="present while the run is queued")

    @classmethod
    def of(
        cls, run: RunSummary, base_url: str, place: Place | None = None, retention: timedelta | None = None
    ) -> RunView:
        return cls(
            id=run.id,
            status=run.status,
            created_at=run.created_at,
            expires_at=retention and run.created_at + retention,
            prompt=run.request.brief.prompt,
            links=Links.of(run.id, base_url),
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

    @classmethod
    def of(
        cls,
        document: Document,
        base_url: str,
        *,
        place: Place | None = None,
        signer: Signer | None = None,
        retention: timedelta | None = None,
    ) -> DocumentView:
        links = Links.of(document.run_id, base_url)
        places = {digest: links.image.replace("{digest}", digest) for digest in document.images}
        if signer:
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


class ResumeAsk(BaseModel):
    """How a run that was cut short goes on. The body may be left out."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"examples": [{"budget": {"max_draws": 24}}]}
    )

    budget: Budget | None = Field(default=None, description="in place of the request's; null: as it was")


class CancelView(BaseModel):
    """What became of a cancel. An unknown run answers 404 with `cancel: unknown` in the problem."""

    cancel: Literal["requested", "already_done"]
