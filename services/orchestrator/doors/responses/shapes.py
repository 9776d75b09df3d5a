"""What callers get back: a response, its items, its usage. What OpenAI has no word for stands under `interleave`.

Deliberately not here: how a document becomes one (`telling`), and the events of a stream (`events`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, JsonValue

from interleavethinker.types import Cost
from services.orchestrator.doors.responses.models import MODEL

ResponseStatus = Literal["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]
ENDS = ("completed", "failed", "cancelled", "incomplete")


class OutputText(BaseModel):
    type: Literal["output_text"] = "output_text"
    text: str = Field(description="Markdown")
    annotations: list[JsonValue] = []
    logprobs: list[JsonValue] = []


class MessageItem(BaseModel):
    """A step's words."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    status: Literal["in_progress", "completed"]
    content: list[OutputText]


class CallMore(BaseModel):
    """What OpenAI has no word for."""

    step: int
    attempts: int = Field(description="drawn so far, refused ones included")
    kept: int | None = Field(description="which of them stands, from 1 on")
    accepted: bool | None = Field(description="by the critic; null: nobody judged it")
    digest: str | None = Field(description="of the stored PNG")


class CallItem(BaseModel):
    """A step's picture."""

    id: str
    type: Literal["image_generation_call"] = "image_generation_call"
    status: Literal["in_progress", "generating", "completed", "failed"]
    result: str | None = Field(default=None, description="the picture that stands, in base64")
    revised_prompt: str | None = Field(default=None, description="the prompt that it was drawn from")
    action: Literal["generate", "edit"] = "generate"
    background: Literal["opaque"] = "opaque"
    output_format: Literal["png", "jpeg", "webp"] = "png"
    quality: Literal["auto"] = "auto"
    size: str | None = None
    interleave: CallMore


OutputItem = Annotated[MessageItem | CallItem, Field(discriminator="type")]


class InputDetails(BaseModel):
    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputDetails(BaseModel):
    reasoning_tokens: int = Field(description="the planner's and the critic's thoughts")


class Usage(BaseModel):
    """Estimated from the texts: four bytes are a token. Pictures are counted as `draws`, not here."""

    input_tokens: int
    input_tokens_details: InputDetails = InputDetails()
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class Failure(BaseModel):
    """Why the document is not whole. The run's own code and words are in `message`."""

    code: Literal["server_error", "invalid_prompt", "image_content_policy_violation"]
    message: str


class Incomplete(BaseModel):
    reason: Literal["max_output_tokens", "content_filter"] | None = Field(
        description="max_output_tokens: a limit of the request (max_tool_calls, interleave.budget)"
    )


class ResponseMore(BaseModel):
    """What OpenAI has no word for."""

    run_id: str
    document: str = Field(description="the same as this service's own API gives it")
    draws: int = Field(description="pictures drawn, refused ones included")
    costs: list[Cost] = Field(description="of hosted generators, one for each currency; empty: drawn on own machines")
    planner: str = Field(description="as name@revision, as the others")
    critic: str
    generator: str


class ResponseView(BaseModel):
    """A document, in OpenAI's words."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: ResponseStatus
    background: bool = False
    error: Failure | None = None
    incomplete_details: Incomplete | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] = {}
    model: str = MODEL
    output: list[OutputItem] = []
    parallel_tool_calls: bool = False
    previous_response_id: str | None = None
    reasoning: dict[str, JsonValue] = {"effort": None, "summary": None}
    service_tier: Literal["default"] = "default"
    store: bool = True
    temperature: float | None = None
    text: dict[str, JsonValue] = {"format": {"type": "text"}}
    tool_choice: Literal["auto"] = "auto"
    tools: list[dict[str, JsonValue]] = []
    top_p: float | None = None
    truncation: Literal["disabled"] = "disabled"
    usage: Usage | None = Field(default=None, description="once it is at its end")
    user: str | None = None
    interleave: ResponseMore


class Deleted(BaseModel):
    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


class InputItem(BaseModel):
    """The brief, as the planner was given it."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["user"] = "user"
    status: Literal["completed"] = "completed"
    content: list[dict[str, JsonValue]]


class InputItems(BaseModel):
    object: Literal["list"] = "list"
    data: list[InputItem]
    first_id: str
    last_id: str
    has_more: Literal[False] = False
