"""The public Python client: ask a running orchestrator for a document, follow it being made, fetch what came of it.

Synchronous, and made for people's programs and the command line; services call each other through `clients/`. It knows
the HTTP of docs/api.md and nothing of how a document is made.

    from interleavethinker.client import Client

    with Client("http://127.0.0.1:8080") as client:
        run = client.ask("How do I draw a snowman with a red hat, step by step?")
        for recorded in client.follow(run):
            print(recorded.event.type)
        document = client.document(run)
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx2
import stamina
from pydantic_core import from_json

from interleavethinker import http
from interleavethinker.document import Document
from interleavethinker.errors import BadRequest, InterleaveError, Unavailable
from interleavethinker.events import AttemptKept, Finished, Recorded
from interleavethinker.types import Step

QUIET_SECONDS = 60.0
"""A stream without a byte for so long is lost: the service says "still here" every 15 seconds."""

FRUITLESS_STREAMS = 10
PROGRESS = "progress"
"""The one type of event that has no number."""


class Unreached(Unavailable):
    """Nobody heard the call."""


class Client:
    """Talks to the orchestrator at `url`. `api_key`: a key, or an issuer's token, where the service wants one.
    `patience`: seconds for which an absent one is waited for when a document is followed or read; every call is safe to
    repeat. A run is named by its id. Every method raises the service's own error, or Unavailable.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        *,
        api_key: str | None = None,
        patience: float = 30.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._patience = patience
        self._http = httpx2.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else None,
            timeout=httpx2.Timeout(QUIET_SECONDS, connect=5.0),
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def ask(self, prompt: str, *, images: Sequence[str | Path] = (), key: str | None = None, **wishes: Any) -> str:
        """Ask for a document; its run id. Safe to repeat with the same `key`; without one, a fresh key makes sure that
        the tries of this call begin one run.

        `images` are files, or `data:` URLs and digests as the service takes them. `wishes` are the other fields of
        POST /interleave: seed, max_attempts, max_steps, critic, budget, size, params, generator,
        references (as images), review_plan, webhook.
        """
        pictures = {"images": images, "references": wishes.pop("references", ())}
        given = {
            field: [_data_url(each) if isinstance(each, Path) else each for each in pictures[field]]
            for field in pictures
        }
        return self._wish("/interleave", {"prompt": prompt, **given, **wishes}, key)

    def follow(
        self, run_id: str, *, after: int = 0, progress: Callable[[dict[str, Any]], None] | None = None
    ) -> Iterator[Recorded]:
        """The run's events above number `after` as they happen, until it has finished. `progress` is told between them
        how the drawing under way comes along (docs/api.md: step, number, done, of, preview, waiting, run).

        A stream that is cut goes on where it stopped (Last-Event-ID), so no event is missed or comes twice. Raises
        Unavailable when it is cut again and again with nothing new.
        """
        fruitless, ended = 0, False
        while fruitless < FRUITLESS_STREAMS:
            headers = {"Accept": http.EVENT_STREAM, "Last-Event-ID": str(after)}
            response = self._patiently("GET", f"/interleave/{run_id}/events", headers=headers)
            try:
                with closing(response):
                    for event in httpx2.EventSource(response, max_event_size=None):
                        if event.event == PROGRESS:
                            if progress:
                                progress(from_json(event.data))
                            continue
                        recorded = Recorded.model_validate_json(event.data)
                        yield recorded
                        after, fruitless = recorded.seq, 0
                        # Unless the run's caller let it go on, and more follows.
                        ended = isinstance(recorded.event, Finished | AttemptKept)
            except httpx2.TransportError:
                pass  # cut on the way, or the service was restarted: the next request finds out
            if ended:
                return
            fruitless += 1
        raise Unavailable(f"{self.url} cuts the events of {run_id} off again and again")

    def document(self, run_id: str) -> Document:
        """The document as it stands now."""
        with closing(self._patiently("GET", f"/interleave/{run_id}")) as response:
            return Document.model_validate(from_json(response.read())["document"])

    def image(self, run_id: str, digest: str) -> bytes:
        """An encoded picture of the run, by its digest (`Document.images` has them all)."""
        with closing(self._patiently("GET", f"/interleave/{run_id}/images/{digest}")) as response:
            return response.read()

    def cancel(self, run_id: str) -> str:
        """End the run; `requested` or `already_done`. What it has finished stays readable."""
        with closing(self._patiently("DELETE", f"/interleave/{run_id}")) as response:
            return str(from_json(response.read())["cancel"])

    def resume(self, run_id: str, *, budget: dict[str, Any] | None = None, key: str | None = None) -> None:
        """Let a run that ended `partial` or `failed` go on from what stands, with another budget where one is given."""
        self._wish(f"/interleave/{run_id}/resume", {"budget": budget}, key)

    def redraw(self, run_id: str, step: int, *, key: str | None = None, **wishes: Any) -> None:
        """Have a step of a finished run drawn again. `wishes`: prompt, seed, max_attempts, budget, and `later`, "stale"
        or "redraw"."""
        self._wish(f"/interleave/{run_id}/steps/{step}/redraw", wishes, key)

    def keep(self, run_id: str, step: int, attempt: int) -> Document:
        """Let this attempt at a step of a finished run stand; the document as it is then."""
        with closing(
            self._patiently("POST", f"/interleave/{run_id}/steps/{step}/keep", json={"attempt": attempt})
        ) as response:
            return Document.model_validate(from_json(response.read())["document"])

    def branch(self, run_id: str, from_step: int, *, key: str | None = None, **wishes: Any) -> str:
        """A new run that shares the steps before `from_step`; its id. `wishes`: steps (the plan from there on), seed,
        max_attempts, critic, budget, params, webhook."""
        return self._wish(f"/interleave/{run_id}/branch", {"from_step": from_step, **wishes}, key)

    def go_on(self, run_id: str, prompt: str, *, key: str | None = None, **wishes: Any) -> str:
        """A new run that continues the document; its id. `wishes` as for `branch`, and max_steps, review_plan."""
        return self._wish(f"/interleave/{run_id}/continue", {"prompt": prompt, **wishes}, key)

    def edit_plan(self, run_id: str, steps: Sequence[Step]) -> Document:
        """Put these steps in the place of a waiting run's plan."""
        body = {"steps": [step.model_dump(mode="json") for step in steps]}
        with closing(self._patiently("PUT", f"/interleave/{run_id}/plan", json=body)) as response:
            return Document.model_validate(from_json(response.read())["document"])

    def approve(self, run_id: str, *, key: str | None = None) -> None:
        """Let a run that waits for a word on its plan (`review_plan`) go on."""
        self._wish(f"/interleave/{run_id}/plan/approve", None, key)

    def _wish(self, path: str, body: Any, key: str | None) -> str:
        """A POST that may be repeated, since its key makes it one; the id of the run that it is about. Made again when
        its answer was lost; a service that was not there to hear it is not waited for."""
        heard = False

        def lost(error: Exception) -> bool:
            nonlocal heard
            heard = heard or not isinstance(error, Unreached)
            return heard and isinstance(error, Unavailable)

        headers = {"Idempotency-Key": key or str(uuid4())}
        again = stamina.RetryingCaller(attempts=None, timeout=self._patience, wait_jitter=0.2)
        with closing(again.on(lost)(self._send, "POST", path, json=body, headers=headers)) as response:
            return str(from_json(response.read())["id"])

    def _patiently(
        self, method: str, path: str, *, json: Any = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        """A call that may be made twice, made again while nobody answers."""
        absent = stamina.RetryingCaller(attempts=None, timeout=self._patience, wait_jitter=0.2)
        return absent.on(lambda error: isinstance(error, Unavailable))(
            self._send, method, path, json=json, headers=headers
        )

    def _send(
        self, method: str, path: str, *, json: Any = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        """A response that went well so far, its body unread."""
        with self._reaching():
            request = self._http.build_request(method, path, json=json, headers=headers)
            response = self._http.send(request, stream=True)
            if response.is_success:
                return response
            with closing(response):
                raise _error(response.status_code, response.read())

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            unheard = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.InvalidURL)
            kind = Unreached if unheard else Unavailable
            raise kind(f"{self.url} does not answer ({error}): is the stack up there?") from error


def _error(status: int, body: bytes) -> InterleaveError:
    try:
        problem = from_json(body)
    except ValueError:
        problem = None
    return http.error_from_problem(problem if isinstance(problem, dict) else {}, status)


def _data_url(path: Path) -> str:
    """The file as the service takes it; it looks at the bytes, whatever the name says."""
    try:
        return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    except OSError as error:
        raise BadRequest(f"the image {path} cannot be read: {error.strerror}") from error
