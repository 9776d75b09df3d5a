"""Spans in one process, where a collector would be slow to ask: rounds, takeovers, joined jobs, contents, and off."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from interleavethinker import spans_out, tracing
from interleavethinker.chat.openai import OpenAIChat
from interleavethinker.chat.traced import CONTENT
from interleavethinker.errors import BadSettings
from interleavethinker.tracing import RoundTrace
from services.anatomy import service_app
from tests import doors
from tests.fakes import revise
from tests.generator_stack import session_stack
from tests.lessons import REVISING
from tests.scripted import ScriptedChat
from tests.servers.openai_server import OpenAIServer
from tests.services.test_generator_service import new_job

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Spans:
    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def all(self, name: str = "") -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if not name or span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (found,) = self.all(name)
        return found

    def attributes(self, name: str) -> dict[str, Any]:
        return dict(self.one(name).attributes or {})


@pytest.fixture
def spans() -> Iterator[Spans]:
    exporter, provider = InMemorySpanExporter(), spans_out.provider("test")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    try:
        yield Spans(exporter)
    finally:
        tracing.use(None)


async def until(true: Callable[[], object]) -> None:
    for _ in range(2_000):
        if true():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come")


def trace_id(span: ReadableSpan) -> int:
    return span.get_span_context().trace_id


def links(span: ReadableSpan) -> list[int]:
    return [link.context.trace_id for link in span.links]


async def test_a_run_that_is_taken_up_again_stays_in_its_trace(house: doors.House, spans: Spans):
    gate = asyncio.Event()
    first = await house.open("a hill", "a snowman", gate=gate)
    await first.post("/interleave", json=doors.SNOWMAN)
    await until(lambda: house.generators[0].asked)
    await house.close()
    assert not spans.all("run"), "it has not ended"
    await house.open("a hill", "a snowman")
    await until(lambda: spans.all("run"))
    root, works = spans.one("run"), spans.all("work")
    assert len(works) == 2 and {trace_id(work) for work in works} == {trace_id(root)}
    assert {work.parent.span_id for work in works if work.parent} == {root.get_span_context().span_id}
    assert root.parent is None and root.start_time <= works[0].start_time < works[1].start_time <= root.end_time


async def test_another_round_is_another_trace_linked_to_the_one_before(house: doors.House, spans: Spans):
    client = await house.open("a hill", verdicts=[revise("a green hill")])
    run = (await client.post("/interleave", json=doors.SNOWMAN, headers=doors.WAIT)).json()
    again = await client.post(f"/interleave/{run['id']}/steps/1/redraw", json={}, headers=doors.WAIT)
    assert again.is_success, again.text
    first, second = spans.all("run")
    assert trace_id(first) == RoundTrace(run["id"], 0).context().trace_id
    assert links(second) == [trace_id(first)] and trace_id(second) != trace_id(first)
    outcomes = [dict(span.attributes or {}).get("interleavethinker.outcome") for span in spans.all("attempt 1")]
    assert outcomes[0] == "revise"


async def test_a_canceled_run_has_its_root(house: doors.House, spans: Spans):
    client = await house.open("a hill", gate=asyncio.Event())
    run_id = (await client.post("/interleave", json=doors.SNOWMAN)).json()["id"]
    await until(lambda: house.generators[0].asked)
    assert (await client.delete(f"/interleave/{run_id}")).is_success
    assert spans.attributes("run")["interleavethinker.status"] == "canceled"
    assert spans.attributes("draw")["interleavethinker.canceled"] is True


async def test_the_callers_own_trace_goes_on_in_the_request_and_is_linked_to_the_run(house: doors.House, spans: Spans):
    client = await house.open("a hill")
    answer = await client.post("/interleave", json=doors.SNOWMAN, headers=doors.WAIT | {"traceparent": CALLER})
    asked = spans.one("POST /interleave")
    assert f"{trace_id(asked):032x}" == CALLER.split("-")[1]
    assert links(asked) == [RoundTrace(answer.json()["id"], 0).context().trace_id]


@pytest.mark.parametrize("header", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "ff" * 4000])
async def test_a_header_that_is_none_begins_a_trace(spans: Spans, header: str):
    async def ready() -> list[str]:
        return []

    app = service_app("room", ready=ready, title="A room", description="")
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://room.test") as client:
        assert (await client.get("/nowhere", headers={"traceparent": header})).status_code == 404
        assert (await client.get("/livez")).is_success
    assert spans.one("GET").parent is None, "and a probe is no span"


@pytest.mark.redis
def test_who_joins_a_job_is_linked_to_who_asked_first(
    spans: Spans, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
):
    stack, job = session_stack(request.config, tmp_path_factory), new_job()
    spans._exporter.clear()
    with httpx2.Client(base_url=stack.url, timeout=60) as client:
        for run in ("one", "two"):
            client.put(f"/v1/images/{job.id}", json=job.model_dump(mode="json"), headers={"X-Run-Id": run})
    asked: list[ReadableSpan] = []
    for _ in range(2_000):  # a span ends after its answer has gone out
        if len(asked := spans.all("PUT /v1/images/{job_id}")) == 2:
            break
        time.sleep(0.01)
    first, second = asked
    assert not links(first) and links(second) == [trace_id(first)]
    assert trace_id(spans.one("send draw")) == trace_id(first)


@pytest.mark.parametrize("wanted", [False, True])
async def test_what_was_said_to_a_model_stands_in_its_span_only_where_that_is_wanted(
    spans: Spans, monkeypatch: pytest.MonkeyPatch, wanted: bool
):
    monkeypatch.setenv(CONTENT, str(wanted).lower())
    with OpenAIServer(ScriptedChat("one two three", width=4)).serving() as server:
        chat = OpenAIChat("scripted", base_url=server.url)
        said = "".join([token.text async for token in chat.stream(REVISING.messages, max_tokens=50, temperature=0.5)])
        await chat.close()
    found = spans.attributes("chat scripted")
    assert found["gen_ai.operation.name"] == "chat" and found["gen_ai.provider.name"] == "vllm"
    assert found["gen_ai.request.model"] == "scripted" and found["gen_ai.request.max_tokens"] == 50
    assert found["gen_ai.request.temperature"] == 0.5 and found["gen_ai.response.finish_reasons"] == ("stop",)
    assert found["gen_ai.usage.output_tokens"] > 0 and found["gen_ai.response.time_to_first_chunk"] > 0
    assert ("gen_ai.input.messages" in found) is ("gen_ai.output.messages" in found) is wanted
    everything = json.dumps({name: str(value) for name, value in found.items()})
    assert "base64" not in everything and len(everything) < 20_000
    if wanted:
        (answer,) = json.loads(found["gen_ai.output.messages"])
        assert answer["parts"] == [{"type": "text", "content": said}]
        parts = json.loads(found["gen_ai.input.messages"])[0]["parts"]
        assert [part["file_id"][:7] for part in parts if part["type"] == "file"] == ["sha256:", "sha256:"]


async def test_a_server_that_is_away_is_an_error_on_the_span(spans: Spans):
    chat = OpenAIChat("scripted", base_url="http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(Exception, match="does not answer"):
        async for _ in chat.stream(REVISING.messages, max_tokens=5):
            pass
    assert spans.attributes("chat scripted")["error.type"] == "unavailable"
    assert not spans.one("chat scripted").status.is_ok


OFF = """
import sys
from interleavethinker import tracing
import services.orchestrator.app, services.planner_service.app, services.critic_service.app
import services.generator_service.worker
tracing.configure("planner")
with tracing.span("nothing") as span:
    assert not span.is_recording() and not tracing.ids() and not tracing.headers()
assert not tracing.on()
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk.trace", "opentelemetry.exporter"))])
"""


def test_off_no_span_is_made_and_no_sdk_is_loaded():
    told = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, "otlp"),
    ],
)
def test_what_cannot_be_done_is_said(variables: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch):
    for name, value in {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=says):
        tracing.configure("planner")


@pytest.mark.parametrize("variables", [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_off_can_be_said_in_the_standards_ways(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9" if variables else "")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    tracing.configure("planner")
    assert not tracing.on()
