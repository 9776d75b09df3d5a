"""What callers of every sort do, by chance but from a seed: documents, waits, streams cut half-way, cancels at any
moment, redraws, repeats with a key, wrong requests, reads.

Each sort is one coroutine that says what it expects; what came otherwise is in `calls.unexpected`. Deliberately not
here: how often, for how long, and what must hold afterwards (`soak`).
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from itertools import count
from typing import Any

from bench.calls import Calls
from interleavethinker.events import Status

END_SECONDS = 180.0
LONGEST_LOOK = 8.0
"""Seconds within which a caller leaves, or cancels: a document takes about half of it."""
FINISHED_KEPT = 50


class Traffic:
    """`canceled`: runs that were, or may have been, ended by their caller. `done`: how often each sort was done."""

    def __init__(self, calls: Calls, tenants: Sequence[str], seed: int) -> None:
        self.calls, self._tenants, self._chance, self._number = calls, tenants, random.Random(seed), count(1)
        self.canceled: set[str] = set()
        self.done: Counter[str] = Counter()
        self._finished: list[tuple[str, str]] = []
        self._sorts: dict[Callable[[str], Awaitable[None]], int] = {
            self.waits: 4,
            self.leaves_waiting: 2,
            self.follows: 4,
            self.cuts_stream: 4,
            self.cancels: 4,
            self.approves: 1,
            self.redraws: 3,
            self.repeats: 2,
            self.is_wrong: 6,
            self.reads: 8,
        }

    async def act(self) -> None:
        """One caller, of a sort by chance."""
        (sort,) = self._chance.choices(list(self._sorts), list(self._sorts.values()))
        self.done[sort.__name__] += 1
        try:
            async with asyncio.timeout(END_SECONDS):
                await sort(self._chance.choice(self._tenants))
        except TimeoutError:
            self.calls.unexpected.append(f"{sort.__name__}: not over in {END_SECONDS:.0f} s")
        except Exception as error:  # one caller's surprise is a finding, not the end of the others
            self.calls.unexpected.append(f"{sort.__name__}: {type(error).__name__}: {error}")

    async def waits(self, tenant: str) -> None:
        answer = await self.calls.call(
            "POST, waiting", "POST", "/interleave", tenant=tenant, json=self._ask(), headers={"Prefer": "wait=120"}
        )
        if answer is not None:
            self._ended(tenant, answer.json()["id"])

    async def leaves_waiting(self, tenant: str) -> None:
        await self.calls.leave(
            "POST, left", "POST", "/interleave", self._moment(), tenant=tenant, json=self._ask(),
            headers={"Prefer": "wait=120"},
        )  # fmt: skip

    async def follows(self, tenant: str) -> None:
        """To the end, over a cut on the way: each event once and in order."""
        run_id = await self._begun(tenant)
        cut, seen = self._chance.randint(1, 14), list[int]()
        async with self.calls.stream("events", "GET", f"/interleave/{run_id}/events", tenant=tenant) as events:
            async for event in events:
                seen.append(int(event.id or 0))
                if len(seen) >= cut:
                    break
        again = {"Last-Event-ID": str(seen[-1])}
        async with self.calls.stream(
            "events", "GET", f"/interleave/{run_id}/events", tenant=tenant, headers=again
        ) as events:
            seen += [int(event.id or 0) async for event in events]
        if seen != list(range(1, len(seen) + 1)):
            self.calls.unexpected.append(f"events of {run_id}: {seen}")
        self._ended(tenant, run_id)

    async def cuts_stream(self, tenant: str) -> None:
        most, seen = self._chance.randint(1, 12), 0
        async with (
            self.calls.stream("POST, streaming", "POST", "/interleave", tenant=tenant, json=self._ask()) as events,
            aclosing(events),  # type: ignore[type-var]
        ):
            async for _ in events:
                seen += 1
                if seen >= most:
                    break

    async def cancels(self, tenant: str) -> None:
        run_id = await self._begun(tenant)
        await asyncio.sleep(self._moment())
        await self._cancel(tenant, run_id)

    async def approves(self, tenant: str) -> None:
        """Looks at the plan first, and now and then does not like it."""
        run_id = await self._begun(tenant, review_plan=True)
        await self._until(tenant, run_id, lambda status: status is Status.WAITING)
        if self._chance.random() < 0.3:
            return await self._cancel(tenant, run_id)
        await self.calls.call("approve", "POST", f"/interleave/{run_id}/plan/approve", tenant=tenant, expect=(202,))
        return None

    async def redraws(self, tenant: str) -> None:
        mine = [run_id for owner, run_id in self._finished if owner == tenant]
        if not mine:
            return None
        run_id = self._chance.choice(mine)
        self._finished.remove((tenant, run_id))  # nobody else wishes anything of it meanwhile
        wish = {
            "seed": next(self._number),
            "max_attempts": 2,
            "later": self._chance.choice(["stale", "redraw"]),
            **({"prompt": "a round green hill"} if self._chance.random() < 0.5 else {}),
        }
        step = self._chance.randint(1, 3)
        await self.calls.call(
            "redraw", "POST", f"/interleave/{run_id}/steps/{step}/redraw", tenant=tenant, json=wish, expect=(202,)
        )
        if self._chance.random() < 0.3:
            await asyncio.sleep(self._moment() / 2)
            return await self._cancel(tenant, run_id)
        await self._until(tenant, run_id, lambda status: status.final)
        self._ended(tenant, run_id)
        return None

    async def repeats(self, tenant: str) -> None:
        """The same call twice at once and once more, then another one with the same key."""
        key, ask = {"Idempotency-Key": uuid.UUID(int=self._chance.getrandbits(128)).hex}, self._ask()

        async def post(body: dict[str, Any], expect: int) -> str | None:
            answer = await self.calls.call(
                "POST, with key", "POST", "/interleave", tenant=tenant, json=body, headers=key, expect=(expect,)
            )
            return answer.json().get("id") if answer is not None else None

        ids = {*await asyncio.gather(post(ask, 202), post(ask, 202)), await post(ask, 202)}
        if len(ids) != 1:
            self.calls.unexpected.append(f"one key made {len(ids)} runs: {ids}")
        await post(ask | {"seed": next(self._number)}, 422)

    async def is_wrong(self, tenant: str) -> None:
        """A request that must be refused, and leave nothing behind."""
        other = next((run_id for owner, run_id in self._finished if owner != tenant), "run_unknown")
        cases: list[tuple[str, str, dict[str, Any], int]] = [
            ("POST", "/interleave", {"content": b'{"prompt": "x"'}, 400),
            ("POST", "/interleave", {"json": self._ask(max_attempts=99)}, 422),
            ("POST", "/interleave", {"json": self._ask(images=["data:image/png;base64,AAAA"])}, 422),
            ("POST", "/interleave", {"json": self._ask(nonsense="x" * 50_000)}, 422),
            ("GET", "/interleave?cursor=nowhere", {}, 422),
            ("GET", f"/interleave/{other}", {}, 404),
            ("DELETE", f"/interleave/{other}", {}, 404),
            ("GET", f"/interleave/{other}/events", {}, 404),
            ("PATCH", "/interleave", {}, 405),
            ("GET", f"/nothing/{next(self._number)}", {}, 404),
        ]
        method, path, rest, status = self._chance.choice(cases)
        if rest.get("content"):
            rest |= {"headers": {"Content-Type": "application/json"}}
        await self.calls.call("wrong", method, path, tenant=tenant, expect=(status,), **rest)
        await self.calls.call(
            "wrong", "GET", "/interleave", headers={"Authorization": "Bearer itk_none"}, expect=(401,)
        )

    async def reads(self, tenant: str) -> None:
        """The list, and a finished document with one of its pictures, twice."""
        await self.calls.call("GET, list", "GET", "/interleave?limit=20", tenant=tenant)
        mine = [run_id for owner, run_id in self._finished if owner == tenant]
        if not mine:
            return
        run_id = self._chance.choice(mine)
        answer = await self.calls.call("GET, document", "GET", f"/interleave/{run_id}", tenant=tenant)
        if answer is None or not (places := answer.json()["images"]):
            return
        digest = self._chance.choice(sorted(places))
        picture = f"/interleave/{run_id}/images/{digest}"
        await self.calls.call("GET, picture", "GET", picture, tenant=tenant)
        known = {"If-None-Match": f'"{digest}"'}
        await self.calls.call("GET, picture", "GET", picture, tenant=tenant, headers=known, expect=(304,))

    async def _begun(self, tenant: str, **wishes: Any) -> str:
        ask = self._ask(**wishes)
        answer = await self.calls.call("POST", "POST", "/interleave", tenant=tenant, json=ask, expect=(202,))
        if answer is None or answer.status_code != 202:
            raise RuntimeError("no run was begun")
        return str(answer.json()["id"])

    async def _cancel(self, tenant: str, run_id: str) -> None:
        self.canceled.add(run_id)
        await self.calls.call("DELETE", "DELETE", f"/interleave/{run_id}", tenant=tenant)

    async def _until(self, tenant: str, run_id: str, holds: Callable[[Status], bool]) -> None:
        while True:
            answer = await self.calls.call("GET, document", "GET", f"/interleave/{run_id}", tenant=tenant)
            if answer is not None and answer.is_success and holds(Status(answer.json()["status"])):
                return
            await asyncio.sleep(1.0)

    def _ended(self, tenant: str, run_id: str) -> None:
        self._finished.append((tenant, run_id))
        if len(self._finished) > FINISHED_KEPT:
            self._finished.pop(0)

    def _ask(self, **wishes: Any) -> dict[str, Any]:
        number = next(self._number)
        return {"prompt": f"how to build snowman {number}", "seed": number, "max_attempts": 3, **wishes}

    def _moment(self) -> float:
        return self._chance.uniform(0.0, LONGEST_LOOK)
