"""The critic over HTTP, and the shapes that its service and this client agree on. Judges nothing itself."""

from __future__ import annotations

from pydantic import Field

from interleavethinker.clients.base import ServiceClient
from interleavethinker.ports import Judgement
from interleavethinker.types import Critique, Value, Verdict

PATH = "/v1/verdict"


class VerdictRequest(Value):
    """What `POST /v1/verdict` takes."""

    critique: Critique


class VerdictAnswer(Value):
    """What it gives: the verdict, every raw answer of the model, failed ones first, and the model's name."""

    verdict: Verdict
    raw: tuple[str, ...]
    model: str = ""
    pack: str = Field(default="", description="digest of the prompt pack")


class CriticClient(ServiceClient):
    """Implements `ports.Critic` by a critic service."""

    async def judge(self, critique: Critique) -> Judgement:
        """Ask for the verdict. Cancelling the call stops the critic."""
        asked = VerdictRequest(critique=critique)
        response = await self.call("POST", PATH, json=asked.model_dump(mode="json"))
        answer = VerdictAnswer.model_validate_json(response.content)
        return Judgement(answer.verdict, answer.raw, answer.model, answer.pack)
