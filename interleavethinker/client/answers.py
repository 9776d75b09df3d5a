"""What the service answers, as values. Fields and events that a newer service adds are passed over, not errors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypedDict, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json

from interleavethinker import http
from interleavethinker.document import Document
from interleavethinker.errors import InterleaveError
from interleavethinker.events import Finished, Recorded, Resumed, Started, Status, StepReopened


class Waited(TypedDict):
    """What a run waits for: a place among the runs, or a worker that draws for it."""

    what: Literal["turn", "worker"]
    ahead: int
    starts_in_seconds: float | None


class RunProgress(TypedDict):
    """How far the whole run is. Seconds; None where it is not known, or there is no limit."""

    steps_finished: int
    steps_planned: int
    draws: int
    max_draws: int | None
    elapsed: float
    remaining_estimate: float | None


class Progress(TypedDict):
    """How far the drawing under way is: the JSON of a `progress` message of the stream. `done` denoising steps `of`
    all, 0 where that is not known; `preview`: the URL of a small picture, another one for each; `step` and `number`
    (the attempt) are None while the run waits for its turn."""

    step: int | None
    number: int | None
    done: int
    of: int
    preview: str | None
    waiting: Waited | None
    run: RunProgress


RECORDED: TypeAdapter[Recorded] = TypeAdapter(Recorded)


class RunAbout(BaseModel):
    """A run as the service last told of it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    id: str
    status: Status
    created_at: datetime
    prompt: str
    expires_at: datetime | None = None


class RunPage(BaseModel):
    """Runs, newest first; `next` is the cursor of the page after, None on the last one."""

    model_config = ConfigDict(extra="ignore")
    runs: tuple[RunAbout, ...]
    next: str | None = None


class Share(BaseModel):
    """A link by which anyone may read a run; `expires_at` None: until it is revoked."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    url: str
    token: str
    expires_at: datetime | None = None


def document(answer: bytes) -> Document:
    return Document.model_validate(from_json(answer)["document"], extra="ignore")


def error(status: int, headers: Mapping[str, str], answer: bytes) -> InterleaveError:
    """The service's own error, of its class (`interleavethinker.errors`). Where it may be asked again later,
    `extra["retry_after"]` has the seconds."""
    try:
        problem = from_json(answer)
    except ValueError:
        problem = None
    found = http.error_from_problem(problem if isinstance(problem, dict) else {}, status)
    after = headers.get("retry-after", "")
    if after.isdecimal():
        found.extra.setdefault("retry_after", float(after))
    return found


class Following:
    """Reads a run's stream: which events are new, and whether there will be more. `after` is the last number read."""

    def __init__(self, after: int) -> None:
        self.after, self.fruitless, self._ended = after, 0, False
        self._lines = http.SSELines()

    @property
    def ended(self) -> bool:
        """The run was at its end when it was last heard of."""
        return self._ended

    @property
    def pause(self) -> float:
        """Seconds to wait before the next stream; none after one that brought something, or a first that did not."""
        return min(0.01 * 2**self.fruitless, 1.0) if self.fruitless > 1 else 0.0

    def again(self) -> dict[str, str]:
        """The headers by which a stream goes on where the last one stopped."""
        self._lines = http.SSELines()
        self.fruitless += 1
        return {"Accept": http.EVENT_STREAM, "Last-Event-ID": str(self.after)}

    def take(self, line: str) -> Recorded | Progress | None:
        """What this line completes: an event, a word on progress, or nothing yet."""
        frame = self._lines.take(line)
        if frame is None:
            return None
        if frame.event == "progress":
            told = from_json(frame.data)
            return cast(Progress, told) if isinstance(told, dict) else None
        self.fruitless = 0
        try:
            recorded = RECORDED.validate_json(frame.data, extra="ignore")
        except ValidationError:
            self.after = int(frame.id or self.after)  # of a kind that this version does not know
            return None
        self.after = recorded.seq
        match recorded.event:
            case Finished():
                self._ended = True
            case Started() | StepReopened() | Resumed():
                self._ended = False
        return recorded
