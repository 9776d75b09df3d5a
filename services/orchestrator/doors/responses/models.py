"""What can be named as `model`: the planner, critic and generator of this service, together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from interleavethinker.errors import NotFound

MODEL = "interleavethinker"


class UnknownModel(NotFound):
    """A model that is not served here."""

    code = "model_not_found"


class ModelView(BaseModel):
    """A model, as OpenAI lists them."""

    id: str
    object: Literal["model"] = "model"
    created: Annotated[int, Field(description="seconds since 1970; since when it is served here")]
    owned_by: str = MODEL


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelView]


def known(name: str) -> str:
    """The model's own name. Raises UnknownModel."""
    if name != MODEL:
        raise UnknownModel(f"there is no model {name[:80]!r} here; write {MODEL!r}", param="model")
    return name
