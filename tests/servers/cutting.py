"""A bad line to a real service: a proxy over TCP that loses answers after the work was done, and cuts streams short."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2

Cut = Callable[[str, str, int], bool]
"""Whether to lose the answer to (method, path, how often this key or path was asked for with it, from 1 on)."""


class BadLine:
    """Notes what went through: `asked` are (method, path, headers). `lose` says whose answer is lost after the service
    gave it; a stream is cut in the middle of what comes after so many numbered `events`, where that is not None."""

    def __init__(self, to: str, *, lose: Cut = lambda *_: False, events: int | None = None) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.to, self.lose, self.events = to, lose, events
        self.url = ""

    def count(self, method: str, path: str, key: str) -> int:
        return sum((m, p, h.get("idempotency-key", "")) == (method, path, key) for m, p, h in self.asked)

    @property
    def keys(self) -> list[str]:
        return [headers["idempotency-key"] for method, _, headers in self.asked if method == "POST"]


@contextmanager
def bad_line(to: str, **how: Any) -> Iterator[BadLine]:
    line = BadLine(to, **how)

    class Through(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def pass_on(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            line.asked.append((self.command, self.path, headers))
            body = self.rfile.read(int(headers.get("content-length", 0)))
            sent = {n: v for n, v in headers.items() if n not in ("host", "connection", "content-length")}
            sent["accept-encoding"] = "identity"
            self.close_connection = True
            with httpx2.stream(self.command, line.to + self.path, headers=sent, content=body, timeout=60) as answer:
                stream = "event-stream" in answer.headers.get("content-type", "")
                content = b"" if stream else answer.read()
                often = line.count(self.command, self.path, headers.get("idempotency-key", ""))
                if line.lose(self.command, self.path, often):
                    return  # the connection is closed without a word
                self.send_response(answer.status_code)
                for name in ("content-type", "retry-after", "location"):
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
                if stream:
                    self.send_header("transfer-encoding", "chunked")
                    self.end_headers()
                    self._stream(answer)
                else:
                    self.send_header("content-length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

        def _stream(self, answer: httpx2.Response) -> None:
            seen = b""
            for piece in answer.iter_raw():
                seen += piece
                *frames, _ = seen.split(b"\n\n")
                numbered = [place for place, frame in enumerate(frames, 1) if frame.startswith(b"id:")]
                if line.events is not None and len(numbered) >= line.events:
                    whole = b"\n\n".join(frames[: numbered[line.events - 1] if line.events else 0])
                    return self._chunk(whole + b"\n\nid: 99\nevent: dra")  # and no end: cut
                if line.events is None:
                    self._chunk(piece)
            if line.events is not None:
                self._chunk(seen)
            return self.wfile.write(b"0\r\n\r\n") and None

        def _chunk(self, data: bytes) -> None:
            if data:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.flush()

        do_GET = do_POST = do_PUT = do_DELETE = pass_on  # noqa: N815 - the library's names

    server = ThreadingHTTPServer(("127.0.0.1", 0), Through)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    line.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield line
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
