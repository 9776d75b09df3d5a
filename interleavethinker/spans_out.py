"""Spans on their way out: OpenTelemetry's SDK, and its exporter over HTTP. Imported only where tracing is on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanContext

from interleavethinker import __version__

_chosen: ContextVar[SpanContext | None] = ContextVar("chosen", default=None)


def provider(service: str) -> TracerProvider:
    """Makes spans of this service and exports none yet. Sampler, limits and further resource attributes by the OTEL_*
    variables."""
    own = {"service.name": service, "service.namespace": "interleavethinker", "service.version": __version__}
    said = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in said:
        del own["service.name"]  # the deployer's word counts
    return TracerProvider(resource=Resource.create(own), id_generator=_Ids())


def exporting(service: str) -> TracerProvider:
    """Exports in batches from a thread of its own, and what is left when the process ends.

    Not made OpenTelemetry's global one: libraries would add spans of their own, as FastAPI does for every probe."""
    made = provider(service)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


@contextmanager
def chosen(ids: SpanContext) -> Iterator[None]:
    """The span started within, a root, has these ids."""
    token = _chosen.set(ids)
    try:
        yield
    finally:
        _chosen.reset(token)


class _Ids(RandomIdGenerator):
    """Random, but for the roots of runs."""

    def generate_span_id(self) -> int:
        ids = _chosen.get()
        return ids.span_id if ids else super().generate_span_id()

    def generate_trace_id(self) -> int:
        ids = _chosen.get()
        return ids.trace_id if ids else super().generate_trace_id()
