"""Tracing by OpenTelemetry's API: spans, W3C trace context in headers, and one trace for each round of a run.

Off, unless the standard OTEL_* variables name a collector (`configure`, called once by each process). While it is off
the SDK is not imported, spans are empty and no header is sent. What stands in a chat's span: chat/traced.py.
Deliberately not here: metrics and logs (`telemetry`), and which spans a service makes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from interleavethinker.errors import BadSettings, InterleaveError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

T = TypeVar("T")
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
NAMESPACE = "interleavethinker"

_W3C = TraceContextTextMapPropagator()
_tracer: trace.Tracer = trace.NoOpTracer()
_provider: TracerProvider | None = None


def on() -> bool:
    return _provider is not None


def configure(service: str) -> None:
    """Export this process' spans where the OTEL_* variables say; nothing where they name no collector.

    Raises BadSettings where they ask for what is not installed or not spoken.
    """
    if not wanted():
        return
    protocol = _variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or _variable("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in ("", "http/protobuf"):
        raise BadSettings(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}: spans are sent as 'http/protobuf' only")
    try:
        from interleavethinker.spans_out import exporting
    except ImportError as error:
        raise BadSettings(
            "an OTEL_* variable asks for traces, but their SDK is not installed: "
            "pip install interleavethinker[tracing], or unset " + " and ".join(ENDPOINTS)
        ) from error
    use(exporting(service))


def use(provider: TracerProvider | None) -> None:
    """Make spans with this provider (None: make none) from now on."""
    global _tracer, _provider
    _provider = provider
    _tracer = provider.get_tracer(NAMESPACE) if provider else trace.NoOpTracer()


def wanted() -> bool:
    """Whether the OTEL_* variables ask for traces. Raises BadSettings for an exporter that is not spoken."""
    if _variable("OTEL_SDK_DISABLED").lower() == "true" or _variable("OTEL_TRACES_EXPORTER") == "none":
        return False
    if (exporter := _variable("OTEL_TRACES_EXPORTER")) not in ("", "otlp"):
        raise BadSettings(f"OTEL_TRACES_EXPORTER is {exporter!r}: write 'otlp' or 'none'")
    return any(map(_variable, ENDPOINTS))


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


# --- spans ------------------------------------------------------------------------------------------------------------


@contextmanager
def span(
    name: str,
    attributes: Mapping[str, Any] | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    links: list[Link] | None = None,
) -> Iterator[Span]:
    """What is done within, as a child of the span under way. An error is noted on it and goes on."""
    made = start(name, attributes, kind=kind, links=links)
    try:
        with under(made):
            yield made
    finally:
        made.end()


def start(
    name: str,
    attributes: Mapping[str, Any] | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    links: list[Link] | None = None,
    seconds_ago: float = 0.0,
) -> Span:
    """A span that its maker ends: a child of the one under way, begun so many seconds ago."""
    known = {key: value for key, value in (attributes or {}).items() if value is not None}
    begun = time.time_ns() - int(seconds_ago * 1e9) if seconds_ago else None
    return _tracer.start_span(name, kind=kind, attributes=known, links=links, start_time=begun)


@contextmanager
def under(parent: Span) -> Iterator[None]:
    """Spans made within are its children; an error that passes is noted on it. Does not end it."""
    try:
        with trace.use_span(parent, end_on_exit=False, record_exception=False, set_status_on_exception=False):
            yield
    except (GeneratorExit, StopAsyncIteration):
        raise
    except BaseException as error:
        note(parent, error)
        raise


def failed(code: str, detail: str) -> None:
    """Say on the span under way that what it stands for failed."""
    current = trace.get_current_span()
    current.set_attribute("error.type", code)
    current.set_status(Status(StatusCode.ERROR, detail[:500]))


def note(on_span: Span, error: BaseException) -> None:
    """Say on the span what ended it: an error's code and words, without a stack (a log has that). What was cancelled is
    no error."""
    if isinstance(error, asyncio.CancelledError):
        on_span.set_attribute("interleavethinker.canceled", True)
        return
    code = error.code if isinstance(error, InterleaveError) else type(error).__name__
    on_span.set_attribute("error.type", code)
    on_span.set_status(Status(StatusCode.ERROR, str(getattr(error, "detail", error))[:500]))


async def through(parent: Span, answer: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The generator's values; what it does for each is done under the span, which its maker ends. Between two values
    the reader's own span is under way."""
    try:
        while True:
            with under(parent):
                try:
                    value = await anext(answer)
                except StopAsyncIteration:
                    return
            yield value
    finally:
        with under(parent):
            await answer.aclose()


def annotate(attributes: Mapping[str, Any]) -> None:
    """Say these on the span under way; values that are None are left out."""
    current = trace.get_current_span()
    if current.is_recording():
        current.set_attributes({key: value for key, value in attributes.items() if value is not None})


# --- between processes ------------------------------------------------------------------------------------------------


def headers() -> dict[str, str]:
    """`traceparent` (and `tracestate`) of the span under way, for an outgoing call or message; none while off."""
    found: dict[str, str] = {}
    if on():
        _W3C.inject(found)
    return found


@contextmanager
def joined(received: Mapping[str, Any]) -> Iterator[None]:
    """Spans made within go on with the trace that these headers (lower case) name; without one they begin their own."""
    if not on():
        yield
        return
    carried = {key: value for key, value in received.items() if isinstance(value, str)}
    token = otel.attach(_W3C.extract(carried, otel.Context()))
    try:
        yield
    finally:
        otel.detach(token)


def link_to(traceparent: str | None) -> None:
    """Link the span under way to another one, by its `traceparent`. Its own trace needs no link."""
    current = trace.get_current_span()
    other = trace.get_current_span(_W3C.extract({"traceparent": traceparent or ""}, otel.Context())).get_span_context()
    if other.is_valid and current.is_recording() and other.trace_id != current.get_span_context().trace_id:
        current.add_link(other)


def ids() -> dict[str, str]:
    """`trace_id` and `span_id` of the span under way, in hex; empty without one."""
    found = trace.get_current_span().get_span_context()
    if not found.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(found.trace_id), "span_id": trace.format_span_id(found.span_id)}


def exemplar() -> dict[str, str] | None:
    """The same for an observation in a histogram; None where the trace is not kept."""
    return ids() if trace.get_current_span().get_span_context().trace_flags.sampled else None


# --- a run's own trace ------------------------------------------------------------------------------------------------


class RoundTrace(NamedTuple):
    """The trace of one round of a run. Its ids are digests of the run's id and the round's number, so that every
    replica that works on it, one after the other, says the same without having been told."""

    run_id: str
    number: int

    def context(self) -> SpanContext:
        """The round's root span, seen from whoever works on it. Sampled as the SDK's sampler decides for its id."""
        digest = hashlib.sha256(f"{self.run_id}/{self.number}".encode()).digest()
        trace_id, span_id = int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])
        flags = TraceFlags(TraceFlags.DEFAULT)
        if _provider is not None:
            decided = _provider.sampler.should_sample(None, trace_id, "run", SpanKind.INTERNAL, {}, [])
            flags = TraceFlags(TraceFlags.SAMPLED) if decided.decision.is_sampled() else flags
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)

    @contextmanager
    def working(self, attributes: Mapping[str, Any]) -> Iterator[Span]:
        """One replica's work on the round, below the root."""
        token = otel.attach(trace.set_span_in_context(trace.NonRecordingSpan(self.context()), otel.Context()))
        try:
            made = start("work", attributes)
            try:
                # What ends it says the root. A run that has ended is dropped at once, which is no cancel to tell of.
                with trace.use_span(made, record_exception=False, set_status_on_exception=False):
                    yield made
            finally:
                made.end()
        finally:
            otel.detach(token)

    def ended(self, attributes: Mapping[str, Any], *, began: float, problem: str | None = None) -> None:
        """Make the root itself, from `began` (seconds since 1970) until now; by whoever saw the round's end."""
        if _provider is None:
            return
        from interleavethinker.spans_out import chosen

        mine = self.context()
        before = [Link(RoundTrace(self.run_id, self.number - 1).context())] if self.number else []
        with chosen(mine):
            known = {key: value for key, value in attributes.items() if value is not None}
            root = _tracer.start_span(
                "run", otel.Context(), attributes=known, links=before, start_time=int(began * 1e9)
            )
        if problem:
            root.set_status(Status(StatusCode.ERROR, problem[:500]))
        root.end()
