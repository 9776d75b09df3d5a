"""A little OTLP collector over HTTP on this machine: keeps the spans that it is sent."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Seen(NamedTuple):
    """A span as it arrived. Ids in hex, `parent` empty for a root; seconds since 1970."""

    trace_id: str
    span_id: str
    parent: str
    service: str
    name: str
    kind: int
    start: float
    end: float
    attributes: dict[str, Any]
    links: tuple[str, ...]


class Collector:
    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Seen] = []

    def await_span(self, name: str, *, seconds: float = 20.0, **attributes: Any) -> Seen:
        """The first span of this name with these attributes (a dot is written `__`). Exporters send in batches, some
        seconds apart."""
        deadline = time.monotonic() + seconds
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        while time.monotonic() < deadline:
            for span in list(self.spans):
                if span.name == name and wanted.items() <= span.attributes.items():
                    return span
            time.sleep(0.05)
        raise AssertionError(f"no span {name} {wanted} among {sorted({span.name for span in self.spans})}")

    def trace(self, trace_id: str) -> list[Seen]:
        return sorted((span for span in self.spans if span.trace_id == trace_id), key=lambda span: span.start)

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _plain(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Seen(
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            service,
                            span.name,
                            span.kind,
                            span.start_time_unix_nano / 1e9,
                            span.end_time_unix_nano / 1e9,
                            _plain(span.attributes),
                            tuple(link.trace_id.hex() for link in span.links),
                        )
                    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind or "")


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    collector.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
