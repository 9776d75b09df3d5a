"""The values that travel between services. All are frozen; unknown fields are refused.

Images travel by name (`ImageRef`); their bytes only ever pass through a blob store. Nothing here does I/O.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

IMAGE_MARKER = "<image>"
"""Stands in a brief's prompt where an input image belongs (the sharegpt habit of the paper's data, section 3)."""


class Value(BaseModel):
    """Base of every value: frozen, no unknown fields, and named by their content."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    def canonical(self) -> str:
        """JSON with sorted keys and no spaces; equal values give equal text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def content_digest(self) -> str:
        """SHA-256 of `canonical()`, 64 hex digits."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()


def _number(value: object) -> object:
    if isinstance(value, bool | str | bytes):
        raise ValueError("write a number, not a text or a truth value")
    return value


NUMBER = BeforeValidator(_number)
"""For numbers that callers write: JSON's, not what could be read as one. Stands last, after the limits."""

Seed = Annotated[int, Field(ge=0, lt=2**32), NUMBER]
AttemptCount = Annotated[int, Field(ge=1, le=20), NUMBER]
StepCount = Annotated[int, Field(ge=1, le=100), NUMBER]
StepNumber = Annotated[int, Field(ge=1, le=1_000_000), NUMBER]
Pixels = Annotated[int, Field(ge=16, le=4096), NUMBER]

GENERATOR_NAME = r"^[a-z0-9][a-z0-9._-]{0,39}$"
GeneratorName = Annotated[str, Field(pattern=GENERATOR_NAME)]

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the bytes, in hex")]


class ImageRef(Value):
    """An image by name. `digest` is the SHA-256 of the encoded bytes; width and height are in pixels."""

    digest: Digest
    media_type: str = "image/png"
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class Size(Value):
    """Width and height in pixels."""

    width: Pixels
    height: Pixels


NOTE_LIMIT = 2_000
"""Longest note on style or characters, in characters."""


def _empty(text: str) -> bool:
    return not text


def _nothing(value: object) -> bool:
    return value is None


def _no(value: bool) -> bool:
    return not value


def _one(value: int) -> bool:
    return value == 1


class Brief(Value):
    """What the user asks of the planner: a text, and the input images in the order of its `<image>` markers.

    Fewer markers than images: the images without one come first. More markers than images is an error.
    """

    prompt: str = Field(min_length=1, max_length=32_000)
    images: tuple[ImageRef, ...] = ()
    # Left out where there are none: a brief without notes has the digest that it had before there were any.
    style: str = Field(default="", max_length=NOTE_LIMIT, exclude_if=_empty, description="how every picture looks")
    characters: str = Field(default="", max_length=NOTE_LIMIT, exclude_if=_empty, description="who is in the pictures")

    @model_validator(mode="after")
    def _markers_fit(self) -> Self:
        markers = self.prompt.count(IMAGE_MARKER)
        if markers > len(self.images):
            raise ValueError(f"the prompt has {markers} {IMAGE_MARKER} markers, {len(self.images)} images were given")
        return self


class CriticMode(StrEnum):
    """How the critic is used. `off`: planner only, every first attempt stands. `quick`: its verdict is taken as it is.
    `strict`: an accept counts only at a confidence of at least `STRICT_CONFIDENCE`."""

    OFF = "off"
    QUICK = "quick"
    STRICT = "strict"


STRICT_CONFIDENCE = 0.9


class Budget(Value):
    """Limits over a whole run, checked before each draw. None: no limit."""

    max_draws: Annotated[int, Field(ge=1), NUMBER] | None = Field(
        default=None, description="generator calls over the whole run"
    )
    max_seconds: Annotated[float, Field(gt=0), NUMBER] | None = Field(
        default=None,
        strict=True,
        description="wall-clock seconds since work on the run, or its redraw, began",
    )


class GenerationParams(Value):
    """How a picture is sampled; diffusers' names. None: the served model's own default."""

    num_inference_steps: Annotated[int, Field(ge=1, le=200), NUMBER] | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=50), NUMBER] | None = None


class InterleaveRequest(Value):
    """One document to make. The defaults are the paper's: up to 5 attempts a step (section 1)."""

    brief: Brief
    seed: int = Field(default=0, ge=0, lt=2**32)
    max_attempts: int = Field(default=5, ge=1, le=20, description="drawings per step, the first one included (T_max)")
    max_steps: int = Field(default=25, ge=1, le=100)
    critic: CriticMode = CriticMode.QUICK
    budget: Budget = Budget()
    size: Size | None = Field(default=None, description="None: the generator's own default")
    params: GenerationParams = GenerationParams()
    generator: GeneratorName | None = Field(default=None, description="which one draws; null: the default one")
    references: tuple[ImageRef, ...] = Field(
        default=(), description="pinned: given to every drawing, after the picture that it is drawn from"
    )
    # Left out where there is none, as in a brief: the request is what it was before there were anchors.
    anchor: StepNumber | None = Field(
        default=None,
        exclude_if=_nothing,
        description="the step whose picture later drawings are given too, so that style and characters do not drift",
    )
    review_plan: bool = Field(default=False, description="wait for the caller's word before anything is drawn")
    # Left out where they are not asked for: such a request has the digest that it had before there were any.
    independent_steps: bool = Field(
        default=False,
        exclude_if=_no,
        description="no step is drawn from the picture before it: each from its prompt, and the brief's last picture",
    )
    candidates: int = Field(
        default=1,
        ge=1,
        le=8,
        exclude_if=_one,
        description="drawings from each refined prompt, each with a seed of its own; the critic's surest one is kept",
    )

    @property
    def first_canvas(self) -> ImageRef | None:
        """What the first step is drawn from, if anything."""
        return self.brief.images[-1] if self.brief.images else None


class Step(Value):
    """One step of a plan (paper.md section 2). `index` is the step_number, which goes on where a given sequence stops.

    A step without a prompt draws nothing (Task A: the answer stands in `auxiliary_text`).
    """

    index: Annotated[int, Field(ge=1), NUMBER]
    name: str = ""
    instruction: str | None = None
    prompt: str | None = None
    auxiliary_text: str | None = None

    @property
    def text(self) -> str:
        """What a reader sees: the auxiliary text, else the instruction."""
        return self.auxiliary_text or self.instruction or ""


class Plan(Value):
    """The whole plan, and the planner's thoughts before it."""

    steps: tuple[Step, ...] = Field(min_length=1)
    reasoning: str = ""

    @model_validator(mode="after")
    def _numbers_follow(self) -> Self:
        numbers = [step.index for step in self.steps]
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            raise ValueError(f"step numbers must follow each other without a gap, got {numbers}")
        return self


class ImageJob(Value):
    """One picture to draw. Its `id` is the digest of its content, so that the same job is never drawn or billed twice.

    No references: text-to-image. With references: an edit of the first one, the others being further references.
    """

    prompt: str = Field(min_length=1, max_length=8_000)
    references: tuple[ImageRef, ...] = ()
    seed: int = Field(ge=0, lt=2**32)
    size: Size | None = None
    params: GenerationParams = GenerationParams()

    @property
    def id(self) -> str:
        return self.content_digest


class Screening(Value):
    """What a content filter said of the brief, of a prompt about to be drawn, or of a picture before it is shown.

    A picture that was not allowed is shown nowhere, and `job_id` is all that is said of it.
    """

    subject: Literal["brief", "prompt", "image"]
    job_id: Digest | None = Field(default=None, description="whose prompt or picture; null for the brief")
    allowed: bool
    reason: str = Field(default="", max_length=1_000)
    filter: str = Field(default="", description="what said so, as name@revision")


class Cost(Value):
    """What the calls for one drawing came to, by the prices in the settings. Every call that may have been billed is in
    it: repeated ones, and those whose answer was lost."""

    amount: float = Field(ge=0, allow_inf_nan=False)
    currency: str = "USD"
    calls: int = Field(ge=0)


class Drawing(Value):
    """A finished job: the picture, what drew it, and how long it waited and was drawn (seconds)."""

    job_id: Digest
    image: ImageRef
    model: str = Field(default="", description="generator as name@revision")
    queue_seconds: float = Field(default=0.0, ge=0)
    draw_seconds: float = Field(default=0.0, ge=0)
    worker: str = Field(default="", description="the process that drew it")
    cost: Cost | None = Field(default=None, description="of a hosted model; null: drawn on own machines")
    reported: str = Field(default="", max_length=300, description="what a hosted server said of itself and its answer")


class Critique(Value):
    """What the critic is asked (paper.md section 1): one step only, never the request or the plan.

    `before` is None for a first step without an input image; the critic is then shown a blank white picture.
    """

    prompt: str = Field(description="the step's original prompt")
    last_prompt: str = Field(description="the prompt that this attempt was drawn from")
    before: ImageRef | None = None
    after: ImageRef


class Outcome(StrEnum):
    """`abstain`: no readable answer could be had; the attempt is kept, and the document says so."""

    ACCEPT = "accept"
    REVISE = "revise"
    ABSTAIN = "abstain"


class Verdict(Value):
    """The critic's answer. `confidence` is the probability of its own verdict token, None where it is not known."""

    outcome: Outcome
    refined_prompt: str | None = Field(default=None, max_length=8_000)
    reasoning: str = ""
    confidence: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _revise_says_how(self) -> Self:
        if self.outcome is Outcome.REVISE and not self.refined_prompt:
            raise ValueError("a verdict of revise needs a refined_prompt")
        return self

    @property
    def accept_probability(self) -> float:
        """How probable the critic holds it that the attempt is right: ranks attempts. 0.5 where nothing is known."""
        if self.outcome is Outcome.ABSTAIN or self.confidence is None:
            return {Outcome.ACCEPT: 1.0, Outcome.REVISE: 0.0, Outcome.ABSTAIN: 0.5}[self.outcome]
        return self.confidence if self.outcome is Outcome.ACCEPT else 1.0 - self.confidence
