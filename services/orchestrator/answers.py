"""What the routes share: what they stand on, the headers that callers may send, and how a run under way is answered.

Deliberately not here: the routes themselves (`api`, `editing`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Header, Path, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from interleavethinker import http
from interleavethinker.document import fold
from interleavethinker.events import Status
from interleavethinker.ports import Blobs, Previews
from interleavethinker.types import Value
from services.anatomy import PROBLEM
from services.orchestrator.access import Caller
from services.orchestrator.board import Board
from services.orchestrator.door import EVENT_TYPES, WebhookAsk
from services.orchestrator.following import Following, Turns
from services.orchestrator.idempotency import FORM, Key
from services.orchestrator.intake import Fetch
from services.orchestrator.journal import Begun, Journal
from services.orchestrator.links import Signer
from services.orchestrator.outbox import Hook
from services.orchestrator.pace import Pace
from services.orchestrator.records import RunSummary
from services.orchestrator.runs import Runs
from services.orchestrator.screening import Guards
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.shares import Shares
from services.orchestrator.stream import PROGRESS, as_sse
from services.orchestrator.thumbnails import Thumbnails
from services.orchestrator.views import DocumentView, Links, RunView
from services.orchestrator.waiting import Place, positions, waiting
from services.orchestrator.webhooks import Webhooks

REPLAYED = "Idempotency-Replayed"
EVENTS: dict[str, Any] = {
    http.EVENT_STREAM: {
        "schema": {
            "type": "object",
            "title": "Server-sent event",
            "required": ["event", "data"],
            "properties": {
                "id": {
                    "type": "string",
                    "description": "the event's number; send it as Last-Event-ID to go on. `progress` has none",
                },
                "event": {"type": "string", "enum": [*EVENT_TYPES, PROGRESS]},
                "data": {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "description": "a `Recorded`; of `progress`, a `ProgressEvent`",
                },
            },
        }
    }
}


class House(NamedTuple):
    """What the routes need; the app puts it into `app.state.house` when it starts."""

    settings: OrchestratorSettings
    journal: Journal
    runs: Runs
    blobs: Blobs
    webhooks: Webhooks
    signer: Signer | None
    fetch: Fetch
    guards: Guards
    shares: Shares
    turns: Turns
    thumbnails: Thumbnails
    previews: Previews | None
    since: int = 0
    """When the service was started, in seconds since 1970."""

    @property
    def board(self) -> Board:
        """How the drawings under way come along."""
        return self.journal.news.board

    @property
    def retention(self) -> timedelta | None:
        """How long a run is kept, from when it was asked for."""
        days = self.settings.retention_days
        return None if days is None else timedelta(days=days)

    def base_url(self, request: Request) -> str:
        return self.settings.public_url or str(request.base_url)

    def hooks(self, asked: WebhookAsk | None) -> list[Hook]:
        """Whom a run's events go to."""
        return self.webhooks.hooks(asked.url, asked.events) if asked else self.webhooks.hooks(None, ())

    async def views(self, request: Request, runs: Sequence[RunSummary]) -> list[RunView]:
        """The runs, and where they stand in the queue."""
        places = await self._places([run.id for run in runs if run.status is Status.QUEUED])
        base_url, signer, kept = self.base_url(request), self.signer, self.retention
        return [RunView.of(run, base_url, place=places.get(run.id), signer=signer, retention=kept) for run in runs]

    async def view(self, request: Request, run_id: str) -> DocumentView:
        """The run's document as it stands, and where it stands in the queue."""
        recorded, pace = await self.journal.events(run_id), Pace()
        document = fold(recorded)
        for each in recorded:
            pace.observe(each)
        places = await self._places([run_id] if document.status is Status.QUEUED else [])
        caller: Caller = request.state.caller
        view = DocumentView.of(
            document,
            self.base_url(request),
            place=places.get(run_id),
            signer=self.signer,
            retention=self.retention,
            token=caller.share and caller.share.token,
        )
        return view if document.status.final else view.model_copy(update={"progress": pace.progress()})

    def following(self, request: Request, run_id: str) -> Following:
        """A follower of the run who calls by this request."""
        run, caller = Links.of(run_id, self.base_url(request)).self, request.state.caller

        def preview_url(step: int, number: int, seen: int) -> str:
            path = f"steps/{step}/attempts/{number}/preview"
            if caller.share:
                return f"{run}/{path}?seen={seen}&share={caller.share.token}"
            signed = f"&{self.signer.query(run_id, path)}" if self.signer else ""
            return f"{run}/{path}?seen={seen}{signed}"

        return Following(self.journal, self.board, self.turns, run_id, preview_url)

    async def _places(self, run_ids: Sequence[str]) -> dict[str, Place]:
        if not run_ids:
            return {}
        return positions(await waiting(self.journal.engine), run_ids, self.settings.runs_at_once)

    async def earlier(self, key: Key | None) -> Begun | None:
        """What an earlier call with this key began; asked before a wish is checked against the run of by now."""
        return await self.journal.earlier(key) if key else None


def _house(request: Request) -> House:
    return request.app.state.house


async def _owner() -> str | None:
    """The tenant that the caller belongs to; None where there are no tenants."""
    return http.tenant.get()


InHouse = Annotated[House, Depends(_house)]
Owner = Annotated[str | None, Depends(_owner)]
RunId = Annotated[
    str,
    Path(
        description="as POST /interleave gave it", max_length=40, pattern=r"^\w+$",
        examples=["run_0123456789abcdef01234567"],
    ),
]  # fmt: skip
StepPath = Annotated[int, Path(ge=1, le=1_000_000, description="the step's `index`", examples=[2])]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=FORM,
        examples=["6f1c2b1e-3f0a-4d0e-9b57-1c9f6f2f7a55"],
        description="makes the call safe to repeat: the same key and body do the work once and give the same run",
    ),
]
Prefer = Annotated[str, Header(description="`wait=N`: answer with the document if it is done in N seconds")]
Accept = Annotated[str, Header(description="`text/event-stream`: answer with the events")]


def taken_up(description: str, *also: int) -> dict[str, Any]:
    """How a route that sets a run going is declared; `also`: further statuses of its errors."""
    text = {"schema": {"type": "string"}}
    replayed = {REPLAYED: text | {"description": "`true`: the key was used before, and nothing was done anew"}}
    return {
        "status_code": 202,
        "response_model": RunView,
        "responses": {
            200: {
                "description": "`Prefer: wait=N`: finished in time. `Accept: text/event-stream`: the events.",
                "model": DocumentView,
                "content": EVENTS,
                "headers": replayed,
            },
            202: {"description": description, "headers": {"Location": text, **replayed}},
            **problems(*also, 409, 422, 429),
        },
    }


_PROBLEMS = {
    403: "The key's scopes do not allow it.",
    404: "There is no such run, step, attempt or picture.",
    409: "The run's state does not allow it; the detail says what to do.",
    422: "The request is wrong, or its Idempotency-Key came with another one; the detail says what to change.",
    429: "Too many runs wait, or were asked for of late; `Retry-After` says when to ask again.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How a route's errors are declared."""
    return {status: {"description": _PROBLEMS[status], "content": {http.PROBLEM_JSON: PROBLEM}} for status in statuses}


def key_of(house: House, key: str | None, owner: str | None, action: str, asked: Value) -> Key | None:
    seconds = house.settings.idempotency_seconds
    return None if key is None else Key.of(key, owner=owner, action=action, asked=asked, seconds=seconds)


async def answer(house: House, begun: Begun, request: Request, prefer: str, accept: str, *, after: int = 0) -> Response:
    """The run as its caller wants to hear of it: links at once, the document in time, or the events above `after`."""
    run_id = begun.run_id
    headers = {"Location": Links.of(run_id, house.base_url(request)).self, http.RUN_ID: run_id}
    if begun.replayed:
        headers[REPLAYED] = "true"
    if http.EVENT_STREAM in accept:
        return stream(house.following(request, run_id), 0 if begun.replayed else after, headers)
    if wished := re.search(r"\bwait=(\d+)", prefer):
        seconds = min(float(wished[1]), house.settings.wait_seconds)
        headers["Preference-Applied"] = f"wait={seconds:.0f}"
        if await house.runs.wait(run_id, seconds):
            view = await house.view(request, run_id)
            return JSONResponse(view.model_dump(mode="json"), headers=headers)
    (run,) = await house.views(request, [await house.journal.run(run_id)])
    return JSONResponse(run.model_dump(mode="json"), status_code=202, headers=headers)


def stream(following: Following, after: int, headers: dict[str, str], *, progress: bool = True) -> StreamingResponse:
    quiet = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # no proxy may hold events back
    events = as_sse(following.events(after), following.progress() if progress else None)
    return StreamingResponse(events, media_type=http.EVENT_STREAM, headers=headers | quiet)
