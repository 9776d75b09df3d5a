"""What callers send to go on with a run: the JSON of redraw, keep, branch, continue, resume and of an edited plan.

Deliberately not here: the routes (`editing`), and what each wish means (`edits`).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StrictBool

from interleavethinker.codec.fields import NAME_LIMIT, PROMPT_LIMIT, TEXT_LIMIT
from interleavethinker.types import (
    AttemptCount,
    Budget,
    CriticMode,
    GenerationParams,
    GeneratorName,
    InterleaveRequest,
    Seed,
    Step,
    StepCount,
    StepNumber,
    Value,
)
from services.orchestrator.door import CLEAN, PLAIN, SAYING, WebhookAsk
from services.orchestrator.edits import Later


def _examples(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class StepAsk(Value):
    """A step in the place of the planner's. Without a prompt it draws nothing."""

    index: StepNumber = Field(description="numbers follow each other")
    name: Annotated[str, Field(max_length=NAME_LIMIT), CLEAN] = ""
    instruction: Annotated[str, Field(max_length=TEXT_LIMIT), CLEAN] | None = None
    prompt: Annotated[str, Field(min_length=1, max_length=PROMPT_LIMIT), CLEAN, SAYING] | None = None
    auxiliary_text: Annotated[str, Field(max_length=TEXT_LIMIT), CLEAN] | None = None

    @property
    def step(self) -> Step:
        return Step(**self.model_dump())


class Redraw(Value):
    """A step to be drawn again. What is left out is as the plan and the run's request have it."""

    model_config = _examples({}, {"prompt": "a snowman with a blue hat", "seed": 7, "later": "redraw"})
    prompt: Annotated[str, Field(min_length=1, max_length=PROMPT_LIMIT), CLEAN, SAYING] | None = Field(
        default=None, description="in place of the plan's"
    )
    seed: Seed | None = None
    max_attempts: AttemptCount | None = None
    budget: Budget | None = Field(default=None, description="the run's from here on; its drawings so far count")
    references: tuple[str, ...] | None = Field(
        default=None, description="pinned pictures for this step, written as in PUT references; null: as it has them"
    )
    later: Later = Field(default="stale", description="the steps after it: only marked as stale, or redrawn as well")


class Keep(Value):
    """Which attempt at the step is to stand."""

    model_config = _examples({"attempt": 1})
    attempt: StepNumber = Field(description="its `number`")


class Another(Value):
    """What a new run that goes on from this one takes otherwise; what is left out is as this one's request has it."""

    seed: Seed | None = None
    max_attempts: AttemptCount | None = None
    critic: CriticMode | None = None
    budget: Budget | None = None
    params: GenerationParams | None = None
    generator: GeneratorName | None = None
    webhook: WebhookAsk | None = None

    def of(self, request: InterleaveRequest) -> InterleaveRequest:
        given = {
            name: value for name in InterleaveRequest.model_fields if (value := getattr(self, name, None)) is not None
        }
        return request.model_copy(update=given)


class Branch(Another):
    """A new run that shares the steps before `from_step`."""

    model_config = _examples({"from_step": 3, "seed": 8}, {"from_step": 2, "steps": [{"index": 2, "prompt": "a lake"}]})
    from_step: StepNumber
    steps: tuple[StepAsk, ...] | None = Field(
        default=None, min_length=1, max_length=100, description="the plan from there on; null: as it is"
    )


class Continue(Another):
    """A new run whose input images are this document's."""

    model_config = _examples({"prompt": "Two more steps: the snowman at night."})
    prompt: Annotated[str, Field(min_length=1, max_length=16_000), PLAIN, SAYING]
    max_steps: StepCount | None = None
    review_plan: StrictBool | None = None


class PlanEdit(Value):
    """The steps to draw, numbered without a gap, in place of all of the plan's."""

    model_config = _examples({"steps": [{"index": 1, "instruction": "Roll a ball.", "prompt": "a white snowball"}]})
    steps: tuple[StepAsk, ...] = Field(min_length=1, max_length=100)


class ResumeAsk(Value):
    """How a run that was cut short goes on. The body may be left out."""

    model_config = _examples({"budget": {"max_draws": 24}})
    budget: Budget | None = Field(default=None, description="in place of the request's; null: as it was")
