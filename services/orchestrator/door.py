"""What callers send to ask for a document, and the rules for all their texts.

Deliberately not here: what they get back (`views`), what they may wish of a run later (`wishes`), the routes (`api`),
and the request as the inside knows it (`types.InterleaveRequest`).
"""

from __future__ import annotations

from typing import Annotated, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    WithJsonSchema,
    model_validator,
)

from interleavethinker.codec import clean, plain
from interleavethinker.codec.fields import TEXT_LIMIT
from interleavethinker.events import Event
from interleavethinker.ports import Blobs
from interleavethinker.types import (
    IMAGE_MARKER,
    NOTE_LIMIT,
    NUMBER,
    AttemptCount,
    Brief,
    Budget,
    CriticMode,
    GenerationParams,
    GeneratorName,
    InterleaveRequest,
    Seed,
    Size,
    StepCount,
    StepNumber,
    Value,
)
from services.orchestrator.intake import Fetch, take_images
from services.orchestrator.settings import ImageLimits

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
        "style": "flat colours, thick outlines",
        "characters": "Tom, a small snowman with a red scarf",
        "anchor": 1,
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


def _says_something(text: str) -> str:
    if not clean(text).strip():
        raise ValueError("the text says nothing: write what is to be shown")
    return text


PLAIN = AfterValidator(plain)
"""For texts to the planner: no character in them hides or turns others. These three stand last, after the limits."""
CLEAN = AfterValidator(clean)
"""For texts in the place of a model's: as of those, no marker is left in them either."""
SAYING = AfterValidator(_says_something)
"""For texts without which there is nothing to do."""


class WebhookAsk(Value):
    """Whom to tell what happens in this run (Standard Webhooks; docs/api.md says how it is signed)."""

    url: str = Field(min_length=1, max_length=2_000, description="https:// or http://, with a public address")
    events: tuple[EventType, ...] = Field(default=("finished",), min_length=1, max_length=len(EVENT_TYPES))


class Ask(BaseModel):
    """A document to make."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": EXAMPLES})

    prompt: Annotated[str, Field(min_length=1, max_length=TEXT_LIMIT), PLAIN, SAYING] = Field(
        description="`<image>` marks where an input image belongs"
    )
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
    generator: GeneratorName | None = Field(
        default=None, description="which of the installation's generators draws; null: the default one"
    )
    references: tuple[str, ...] = Field(
        default=(), description="pictures, written as in `images`, that every drawing is given: a style, a character"
    )
    style: Annotated[str, Field(max_length=NOTE_LIMIT), CLEAN] = Field(
        default="", description="how every picture looks; for the planner and, where its pack says so, every drawing"
    )
    characters: Annotated[str, Field(max_length=NOTE_LIMIT), CLEAN] = Field(
        default="", description="who is in the pictures and how they look; for the planner"
    )
    anchor: StepNumber | None = Field(
        default=None, description="the step whose picture later drawings are given too, against drift; null: none"
    )
    review_plan: StrictBool = Field(
        default=False, description="wait for approval (or edits) of the plan before drawing"
    )
    independent_steps: StrictBool = Field(
        default=False, description="no step is drawn from the picture before it: pictures of equal rank, side by side"
    )
    candidates: Annotated[int, Field(ge=1, le=8), NUMBER] = Field(
        default=1, description="drawings of each redraw, which all count; the one that the critic is surest of is kept"
    )
    webhook: WebhookAsk | None = None

    @model_validator(mode="after")
    def _markers_fit(self) -> Self:
        """Checked before any image is stored: nothing is kept of a request that is refused."""
        if (markers := self.prompt.count(IMAGE_MARKER)) > len(self.images):
            raise ValueError(f"the prompt has {markers} {IMAGE_MARKER} markers, {len(self.images)} images were given")
        if self.independent_steps and self.anchor is not None:
            raise ValueError("anchor: steps that are independent are drawn from no other step's picture: leave one out")
        return self

    async def request(self, blobs: Blobs, limits: ImageLimits, fetch: Fetch) -> InterleaveRequest:
        """The inner request, its images checked and stored. Raises BadRequest."""
        given = {"images": self.images, "references": self.references}
        taken = await take_images(given, blobs, limits, fetch)
        notes = {"style": self.style, "characters": self.characters}
        brief = Brief(prompt=self.prompt, images=taken["images"], **notes)
        own = ("prompt", "images", "references", "webhook", *notes)
        rest = {name: getattr(self, name) for name in type(self).model_fields if name not in own}
        return InterleaveRequest(brief=brief, references=taken["references"], **rest)
