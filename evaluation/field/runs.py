"""Asks the service for every item, and keeps one record for each answer.

A record is written once a run has ended, with its pictures before it; what has one is not asked again. Each request
bears an idempotency key made from what is asked, so a run whose record was lost is found, not made twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from evaluation.field import folder
from evaluation.field.conditions import Condition
from evaluation.field.items import Answer, Item, Part
from interleavethinker.client import AsyncClient, AsyncRun, AsyncRunDocument
from interleavethinker.errors import InterleaveError, Unavailable
from interleavethinker.events import Status
from interleavethinker.types import IMAGE_MARKER, Step

GIVE_UP = 5
OF_THE_ITEM = (400, 413, 415, 422)
"""What the service says of a request that it will never take; every other refusal ends the measurement."""
LONGEST_PROMPT = 8_000  # of what a generator is given


class Runs:
    """One row's answers under `home`. `patience`: seconds for one run, from asking on."""

    def __init__(
        self, client: AsyncClient, home: Path, condition: Condition, *, bench: str, seed: int, patience: float
    ) -> None:
        self._client, self._home, self._condition = client, home, condition
        self._bench, self._seed, self._patience = bench, seed, patience
        self._lost = 0

    def answers(self, items: Iterable[Item]) -> dict[str, Answer]:
        """What has been recorded so far, by item."""
        found = {item.id: folder.read(self._record(item)) for item in items}
        return {name: self._answer(record) for name, record in found.items() if record}

    async def make(self, items: Sequence[Item], *, at_once: int, redo: bool, say: Callable[[str], object]) -> None:
        """Ask for all that has no record (`redo`: or one of a run that did not succeed). Raises Unavailable when the
        service is away; other refusals of single requests are recorded."""
        records = {item.id: folder.read(self._record(item)) for item in items}
        row = f"{self._bench} {self._condition.name}"
        open_ = [item for item in items if _wanted(records[item.id], redo)]
        places, began, done, failed = asyncio.Semaphore(at_once), time.monotonic(), 0, 0

        async def one(item: Item) -> None:
            nonlocal done, failed
            async with places:
                before = records[item.id]
                status = await self._one(item, before["round"] + 1 if before else 1)
            done, failed = done + 1, failed + (status != "succeeded")
            left = (time.monotonic() - began) / done * (len(open_) - done)
            say(f"{row} {done}/{len(open_)}, {failed} not succeeded, {_spoken(left)} left")

        say(f"{row}: {len(open_)} to ask, {len(items) - len(open_)} recorded")
        try:
            async with asyncio.TaskGroup() as group:
                for item in open_:
                    group.create_task(one(item))
        except* InterleaveError as errors:
            raise errors.exceptions[0] from None

    async def _one(self, item: Item, round_: int) -> str:
        try:
            document = await self._document(item, round_)
            self._lost = 0
        except (Unavailable, TimeoutError) as error:
            self._lost += 1
            if isinstance(error, Unavailable) or self._lost >= GIVE_UP:
                detail = str(error)
                raise Unavailable(f"{detail}; what is recorded stays: go on with --resume") from error
            return "not ended in time"
        except InterleaveError as error:
            if error.retryable or error.status not in OF_THE_ITEM:
                raise type(error)(f"{error.detail}; what is recorded stays: go on with --resume") from error
            folder.write(self._record(item), _refused(item, round_, error))
            return "refused"
        parts = [
            {
                "text": entry.step.text,
                "image": await self._picture(item, document, entry.image.digest) if entry.image else None,
            }
            for entry in document.value.steps
            if entry.finished
        ]
        if self._condition.alone:
            parts = [part | {"text": ""} for part in parts]  # the generator wrote none
        record = {
            "id": item.id, "round": round_, "run_id": document.id, "status": str(document.status),
            "problem": document.problem.detail if document.problem else None, "parts": parts,
            "attempts": sum(len(entry.attempts) for entry in document.value.steps),
            "accepted": [entry.accepted for entry in document.value.steps],
            "models": sorted({attempt.model for entry in document.value.steps for attempt in entry.attempts}),
            "planner": document.value.planner,
        }  # fmt: skip
        folder.write(self._record(item), record)
        return str(document.status)

    async def _document(self, item: Item, round_: int) -> AsyncRunDocument:
        wishes: dict[str, Any] = {**self._condition.wishes, "seed": self._seed}
        key = _key(self._bench, item, wishes, round_)
        async with asyncio.timeout(self._patience):
            run = await self._client.interleave(item.prompt, key=key, images=list(item.images), **wishes)
            if self._condition.alone:
                await self._replan(run, item, key)
            return await run.wait()

    async def _replan(self, run: AsyncRun, item: Item, key: str) -> None:
        """Once the plan waits: one step, drawn from the request's own words. Nothing for a run that is past that."""
        async for recorded in run.events():
            if recorded.event.type in ("plan_awaited", "plan_approved", "finished"):
                break
        if (await run.document()).status is Status.WAITING:
            words = item.prompt.replace(IMAGE_MARKER, " ").strip()[:LONGEST_PROMPT]
            await run.edit_plan([Step(index=1, name="the request", prompt=words or item.prompt)])
            await run.approve(key=f"{key}-approve")

    async def _picture(self, item: Item, document: AsyncRunDocument, digest: str) -> str:
        name = f"{folder.filed(item.id)}-{digest[:16]}.png"
        place = self._home / "pictures" / name
        if not place.is_file():
            folder.put(place, await document.run.image(digest))
        return name

    def _record(self, item: Item) -> Path:
        return self._home / "records" / f"{folder.filed(item.id)}.json"

    def _answer(self, record: dict[str, Any]) -> Answer:
        parts = [
            Part(part["text"], self._home / "pictures" / part["image"] if part["image"] else None)
            for part in record["parts"]
        ]
        return Answer(record["status"], tuple(parts))


def _wanted(record: dict[str, Any] | None, redo: bool) -> bool:
    return record is None or (redo and record["status"] != "succeeded")


def _refused(item: Item, round_: int, error: InterleaveError) -> dict[str, Any]:
    return {"id": item.id, "round": round_, "run_id": None, "status": "refused", "problem": error.detail, "parts": []}


def _key(bench: str, item: Item, wishes: dict[str, Any], round_: int) -> str:
    images = [hashlib.sha256(path.read_bytes()).hexdigest() for path in item.images]
    asked = json.dumps([bench, item.id, item.prompt, images, wishes, round_], sort_keys=True, default=str)
    return f"{bench}-{hashlib.sha256(asked.encode()).hexdigest()}"


def _spoken(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"about {minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"about {minutes} min"
