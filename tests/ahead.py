"""The loop with somebody who works ahead of it, as `making` puts them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from interleavethinker.types import InterleaveRequest
from services.orchestrator.acceptance import Acceptance
from services.orchestrator.foresight import Foresight
from services.orchestrator.hints import Hints
from services.orchestrator.loop import interleave
from services.orchestrator.reach import Reach
from services.orchestrator.replay import Replay
from services.orchestrator.rounds import Ground
from services.orchestrator.writing import Record


async def ahead_of(
    request: InterleaveRequest,
    reach: Reach,
    ports: Mapping[str, Any],
    record: Record,
    *,
    past: Any = (),
    elapsed: Callable[[], float] = lambda: 0.0,
) -> None:
    """Make the document over these ports, working ahead as far as `reach` says."""
    async with Hints(ports["generator"]) as hints:
        foresight = Foresight(
            request,
            Ground(),
            reach,
            generator=hints,
            hints=hints,
            critic=ports["critic"],
            acceptance=Acceptance(),
            live=lambda: not replay.generator.recorded,
        )
        replay = Replay(past, planner=ports["planner"], generator=hints, critic=foresight, record=record)
        async with foresight:
            await interleave(
                request,
                planner=replay.planner,
                generator=replay.generator,
                critic=replay.critic,
                record=replay.record,
                elapsed=lambda: 0.0 if replay.generator.recorded else elapsed(),
                ahead=foresight,
            )
