"""What callers of POST /v1/responses send: each parameter is honoured, taken without effect, or refused with a reason.

Deliberately not here: what a request makes of it (`briefs`), and the answers (`shapes`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, StrictBool, model_validator

from interleavethinker.codec.fields import TEXT_LIMIT
from interleavethinker.types import (
    NUMBER,
    AttemptCount,
    Budget,
    CriticMode,
    GenerationParams,
    Seed,
    StepCount,
    Value,
)
from services.orchestrator.doors.responses.ids import RESPONSE_ID
from services.orchestrator.doors.responses.inputs import Item
from services.orchestrator.doors.responses.models import MODEL
from services.orchestrator.doors.responses.tools import ImageTool, StreamOptions, TextOptions, ToolChoice

Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


class More(Value):
    """What OpenAI has no word for: the fields of POST /interleave. The SDK sends them by `extra_body`."""

    seed: Seed | None = None
    max_attempts: AttemptCount | None = None
    max_steps: StepCount | None = None
    critic: CriticMode | None = None
    budget: Budget | None = None
    params: GenerationParams | None = None


_EXAMPLES: list[JsonValue] = [
    {"model": MODEL, "input": "How do I draw a snowman with a red hat, step by step?"},
    {
        "model": MODEL,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "How do I draw a snowman?"}]}],
        "tools": [{"type": "image_generation", "size": "512x512", "partial_images": 1}],
        "background": True,
        "metadata": {"topic": "winter"},
        "interleave": {"seed": 7, "max_attempts": 3},
    },
]
_UNUSED_FIELD = Field(default=None, description="taken without effect")


class ResponseAsk(Value):
    """A document to make, in OpenAI's words."""

    model_config = ConfigDict(json_schema_extra={"examples": _EXAMPLES})
    input: (
        Annotated[str, Field(min_length=1, max_length=TEXT_LIMIT)]
        | Annotated[tuple[Item, ...], Field(min_length=1, max_length=256)]
    )
    model: Annotated[str, Field(max_length=200)] = Field(default=MODEL, description="one of GET /v1/models")
    instructions: Annotated[str, Field(max_length=TEXT_LIMIT)] | None = Field(
        default=None, description="said before the input"
    )
    previous_response_id: Annotated[str, Field(pattern=RESPONSE_ID)] | None = Field(
        default=None, description="the document to continue: its pictures and texts stand before the input"
    )
    tools: Annotated[tuple[ImageTool, ...], Field(max_length=1)] | None = Field(
        default=None, description="of tools, only image_generation is known"
    )
    tool_choice: Literal["auto", "required"] | ToolChoice | None = None
    max_tool_calls: Annotated[int, Field(ge=1), NUMBER] | None = Field(
        default=None, description="drawings over the whole document, refused ones included"
    )
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    background: StrictBool | None = Field(default=None, description="answer at once; ask for it again by its id")
    store: StrictBool | None = Field(default=None, description="false: deleted once it has been answered")
    metadata: Metadata | None = Field(default=None, description="16 pairs of your own, given back")
    text: TextOptions | None = None
    interleave: More = More()
    access_programs: JsonValue = _UNUSED_FIELD
    background_options: JsonValue = _UNUSED_FIELD
    context_management: JsonValue = _UNUSED_FIELD
    image: JsonValue = _UNUSED_FIELD
    include: JsonValue = _UNUSED_FIELD
    max_output_tokens: JsonValue = _UNUSED_FIELD
    moderation: JsonValue = _UNUSED_FIELD
    parallel_tool_calls: JsonValue = _UNUSED_FIELD
    prompt_cache_key: JsonValue = _UNUSED_FIELD
    prompt_cache_options: JsonValue = _UNUSED_FIELD
    prompt_cache_retention: JsonValue = _UNUSED_FIELD
    reasoning: JsonValue = _UNUSED_FIELD
    safety_identifier: JsonValue = _UNUSED_FIELD
    service_tier: JsonValue = _UNUSED_FIELD
    temperature: JsonValue = _UNUSED_FIELD
    top_logprobs: JsonValue = _UNUSED_FIELD
    top_p: JsonValue = _UNUSED_FIELD
    truncation: JsonValue = _UNUSED_FIELD
    user: JsonValue = _UNUSED_FIELD

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        """Refuse with a reason what would change the answer, were it known here."""
        if isinstance(given, dict):
            if given.get("conversation") is not None:
                raise ValueError("conversation: there are none here; go on from previous_response_id")
            if given.get("prompt") is not None:
                raise ValueError("prompt: there are no stored prompts here; write the request into input")
            if isinstance(given.get("tools"), list | tuple):
                kinds = [each.get("type") if isinstance(each, dict) else None for each in given["tools"]]
                if others := sorted({str(kind)[:40] for kind in kinds if kind not in (None, "image_generation")}):
                    raise ValueError(f"tools: {', '.join(others)}: only image_generation is known here")
            return {name: value for name, value in given.items() if name not in ("conversation", "prompt")}
        return given

    @model_validator(mode="after")
    def _kept_when_asked_for_later(self) -> Self:
        if self.background and self.store is False:
            raise ValueError("background: what is not stored cannot be asked for later; leave store out")
        return self

    @property
    def tool(self) -> ImageTool:
        return self.tools[0] if self.tools else ImageTool(type="image_generation")
