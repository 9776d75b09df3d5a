"""What callers send to change a finished document, or to share it: the JSON of edited texts, new steps, an order,
references, a share link.

Deliberately not here: the routes (`arranging`, `sharing`), and what each wish means (`reshaping`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from interleavethinker.codec.fields import NAME_LIMIT, PROMPT_LIMIT, TEXT_LIMIT
from interleavethinker.types import NUMBER, AttemptCount, Budget, Seed, Step, StepNumber, Value
from services.orchestrator.door import CLEAN, SAYING
from services.orchestrator.edits import Later

Text = Annotated[str, Field(max_length=TEXT_LIMIT), CLEAN]
Name = Annotated[str, Field(max_length=NAME_LIMIT), CLEAN]
Prompt = Annotated[str, Field(min_length=1, max_length=PROMPT_LIMIT), CLEAN, SAYING]
REFERENCES = "digests of pictures of one's own, such as the document's, or pictures written as in `images`"
LONGEST_SHARE = 366 * 24 * 3600
PICTURE = "9298a69f1c63529dc8fc9fdb5df06d74e74aedd30344dd014554a8b60b63fa33"


def _examples(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class StepTexts(Value):
    """Other texts for a step. What is left out stays as it is; null empties."""

    model_config = _examples({"name": "Body", "instruction": "Roll a big snowball."}, {"auxiliary_text": None})
    name: Name = ""
    instruction: Text | None = None
    auxiliary_text: Text | None = None
    prompt: Prompt = Field(default="", description="what its next redraw draws; its picture is stale until then")

    @property
    def given(self) -> dict[str, Any]:
        """The fields that were sent."""
        return self.model_dump(include=self.model_fields_set)


class NewStep(Value):
    """A step more. With a prompt it is drawn, from the picture before it."""

    model_config = _examples(
        {"after": 1, "name": "Scarf", "instruction": "Tie a red scarf.", "prompt": "a snowman with a red scarf"},
        {"after": 0, "name": "Before you begin", "auxiliary_text": "Wear gloves."},
    )
    after: Annotated[int, Field(ge=0, le=1_000_000), NUMBER] = Field(description="the `index` of a step; 0: the first")
    name: Name = ""
    instruction: Text | None = None
    auxiliary_text: Text | None = None
    prompt: Prompt | None = Field(default=None, description="null: a step in words only")
    seed: Seed | None = None
    max_attempts: AttemptCount | None = None
    references: tuple[str, ...] | None = Field(default=None, description=f"for this step only: {REFERENCES}")
    budget: Budget | None = Field(default=None, description="the run's from here on; its drawings so far count")
    later: Later = Field(default="stale", description="the steps after it: only marked as stale, or redrawn as well")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.prompt or self.name.strip() or (self.instruction or self.auxiliary_text or "").strip()):
            raise ValueError("the step says nothing: give it a name, an instruction, an auxiliary_text or a prompt")
        return self

    @property
    def step(self) -> Step:
        """Its index is the document's to give."""
        texts = self.model_dump(include={"name", "instruction", "auxiliary_text", "prompt"})
        return Step(index=1, **texts)


class Order(Value):
    """Every step of the document, and deleted ones that are to be put back, as they are to be shown."""

    model_config = _examples({"steps": [2, 1]})
    steps: tuple[StepNumber, ...] = Field(min_length=1, max_length=1_000, description="by `index`")


class References(Value):
    """What every drawing from here on is given."""

    model_config = _examples({"references": []}, {"references": [PICTURE]})
    references: tuple[str, ...] = Field(description=f"{REFERENCES}; none: an empty list")


class ShareAsk(Value):
    """How long the link is to live. The body may be left out."""

    model_config = _examples({"expires_in": 604_800})
    expires_in: Annotated[int, Field(ge=60, le=LONGEST_SHARE), NUMBER] | None = Field(
        default=None, description="in seconds; null: until it is revoked"
    )


class ShareView(BaseModel):
    """A run's share link."""

    model_config = _examples(
        {
            "url": f"https://pictures.example/shared/shr_{'a' * 43}",
            "token": f"shr_{'a' * 43}",
            "expires_at": "2026-12-01T19:00:00Z",
        }
    )
    url: str = Field(description="for people: the page of the document")
    token: str = Field(description="for programs: `Authorization: Share <token>`, or `?share=<token>`")
    expires_at: datetime | None = Field(description="null: it ends when it is revoked")


class RevokeView(BaseModel):
    """Whether there was a link to revoke."""

    revoked: bool
