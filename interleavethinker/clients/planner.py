"""The planner over HTTP, and the shapes that its service and this client agree on. Judges no plan and asks no model."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from pydantic import Field

from interleavethinker.clients.base import ServiceClient
from interleavethinker.errors import Unavailable
from interleavethinker.ports import Planning
from interleavethinker.types import Brief, Plan, Step, Value

PATH = "/v1/plan"


class PlanRequest(Value):
    """What `POST /v1/plan` takes."""

    brief: Brief
    seed: int = Field(default=0, ge=0, lt=2**32)
    max_steps: int = Field(default=25, ge=1, le=100, description="a longer plan is cut here")


class PlanAnswer(Value):
    """What it gives: the whole plan, every raw answer of the model, failed ones first, and the model's name."""

    plan: Plan
    raw: tuple[str, ...]
    model: str = ""
    pack: str = Field(default="", description="digest of the prompt pack")


class PlannerClient(ServiceClient):
    """Implements `ports.Planner` by a planner service."""

    async def plan(self, brief: Brief, *, seed: int = 0, max_steps: int = 25) -> AsyncGenerator[Step | Planning, None]:
        """Stream the steps, then the `Planning`. Closing the stream early stops the planner.

        A stream that is cut after its first event is Unavailable: the same call gives the same plan again.
        """
        asked = PlanRequest(brief=brief, seed=seed, max_steps=max_steps)
        async with aclosing(self.events("POST", PATH, json=asked.model_dump(mode="json"))) as events:
            async for event in events:
                if event.event == "step":
                    yield Step.model_validate_json(event.data)
                elif event.event == "plan":
                    answer = PlanAnswer.model_validate_json(event.data)
                    yield Planning(answer.plan, answer.raw, answer.model, answer.pack)
                    return
        raise Unavailable(f"{self.base_url} ended its stream before the plan was whole")
