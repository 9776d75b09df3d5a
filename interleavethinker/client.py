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
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2
import stamina
from pydantic_core import from_json

from interleavethinker import http
from interleavethinker.document import Document
from interleavethinker.errors import BadRequest, InterleaveError, Unavailable
from interleavethinker.events import Finished, Recorded

QUIET_SECONDS = 60.0
"""A stream without a byte for so long is lost: the service says "still here" every 15 seconds."""

FRUITLESS_STREAMS = 10


class Client:
    """Talks to the orchestrator at `url`. `patience`: seconds for which an absent one is waited for when a document is
    followed or read. A run is named by its id. Every method raises the service's own error, or Unavailable.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        *,
        patience: float = 30.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._patience = patience
        self._http = httpx2.Client(
            base_url=self.url, timeout=httpx2.Timeout(QUIET_SECONDS, connect=5.0), transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def ask(self, prompt: str, *, images: Sequence[str | Path] = (), **wishes: Any) -> str:
        """Ask for a document; its run id. Not repeated when it fails: the run may have begun.

        `images` are files, or `data:` URLs and digests as the service takes them. `wishes` are the other fields of
        POST /interleave: seed, max_attempts, max_steps, critic, budget, size, params.
        """
        given = [_data_url(image) if isinstance(image, Path) else image for image in images]
        body = {"prompt": prompt, "images": given, **wishes}
        with closing(self._send("POST", "/interleave", json=body)) as response:
            return str(from_json(response.read())["id"])

    def follow(self, run_id: str, *, after: int = 0) -> Iterator[Recorded]:
        """The run's events above number `after` as they happen, until it has finished.

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
                        recorded = Recorded.model_validate_json(event.data)
                        yield recorded
                        after, fruitless = recorded.seq, 0
                        ended = isinstance(recorded.event, Finished)  # unless the run was resumed, and more follows
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

    def resume(self, run_id: str, *, budget: dict[str, Any] | None = None) -> None:
        """Let a run that ended `partial` or `failed` go on from what stands, with another budget where one is given."""
        with closing(self._send("POST", f"/interleave/{run_id}/resume", json={"budget": budget})):
            pass

    def _patiently(self, method: str, path: str, *, headers: dict[str, str] | None = None) -> httpx2.Response:
        """A call that may be made twice, made again while nobody answers."""
        absent = stamina.RetryingCaller(attempts=None, timeout=self._patience, wait_jitter=0.2)
        return absent.on(lambda error: isinstance(error, Unavailable))(self._send, method, path, headers=headers)

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
            raise Unavailable(f"{self.url} does not answer ({error}): is the stack up there?") from error


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
