"""What can be named as `model`: this service's planner and critic with its default generator, or, by that one's name,
with another generator that it offers."""

from __future__ import annotations

from collections.abc import Sequence
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


class Models:
    """`generators`: those that can be asked for by name, beside the default one."""

    def __init__(self, generators: Sequence[str], since: int) -> None:
        self._names, self._since = [MODEL, *(name for name in generators if name != MODEL)], since

    def all(self) -> list[ModelView]:
        return [self.one(name) for name in self._names]

    def one(self, name: str) -> ModelView:
        """Raises UnknownModel."""
        if name not in self._names:
            offered = ", ".join(repr(each) for each in self._names)
            raise UnknownModel(f"there is no model {name[:80]!r} here; there is {offered}", param="model")
        return ModelView(id=name, created=self._since)

    def generator(self, name: str) -> str | None:
        """Which generator the model draws with; None: the default one. Raises UnknownModel."""
        return None if self.one(name).id == MODEL else name
