"""One document on the described stack: every part is its own process, the queue is Celery on a real Redis, and each
sends its spans to a collector."""

from __future__ import annotations

import json
import time
from collections import Counter

import httpx2
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from interleavethinker.tracing import RoundTrace
from tests.ground.conftest import Stack
from tests.servers.collector import Seen


@pytest.fixture(scope="module")
def spans(stack: Stack) -> list[Seen]:
    """The first document's trace, whole."""
    root = stack.collector.await_span("run", interleavethinker__run_id=stack.answer["id"])
    deadline = time.monotonic() + 20
    while dangling(stack.collector.trace(root.trace_id)) and time.monotonic() < deadline:
        time.sleep(0.2)  # each part sends in its own time
    return stack.collector.trace(root.trace_id)


def dangling(spans: list[Seen]) -> list[Seen]:
    there = {span.span_id for span in spans}
    return [span for span in spans if span.parent and span.parent not in there]


def above(span: Seen, spans: list[Seen]) -> list[str]:
    """The names from the span's parent up to the root."""
    by_id = {each.span_id: each for each in spans}
    names = []
    while span.parent:
        span = by_id[span.parent]
        names.append(span.name)
    return names


def test_a_document_is_one_connected_tree_with_a_root_that_its_id_names(stack: Stack, spans: list[Seen]):
    (root,) = (span for span in spans if not span.parent)
    assert root.name == "run" and root.attributes["interleavethinker.status"] == "succeeded"
    expected = RoundTrace(stack.answer["id"], 0).context()
    assert (int(root.trace_id, 16), int(root.span_id, 16)) == (expected.trace_id, expected.span_id)
    assert not dangling(spans)
    assert {span.service for span in spans} == {"orchestrator", "planner", "critic", "generator", "generator_worker"}
    document = stack.answer["document"]
    drawn = [step for step in document["steps"] if step["attempts"]]
    names = Counter(span.name for span in spans)
    attempts = sum(len(step["attempts"]) for step in drawn)
    assert names["plan"] == 1 and names["work"] == 1
    assert sum(names[f"step {step['step']['index']}"] for step in drawn) == len(drawn)
    assert names["draw"] == names["judge"] == names["process draw"] == names["queue"] == attempts


def test_a_drawing_goes_through_the_queue_to_the_worker(spans: list[Seen]):
    drawing = next(span for span in spans if span.name == "process draw")
    assert drawing.service == "generator_worker"
    way = above(drawing, spans)
    assert way[:4] == ["send draw", "PUT /v1/images/{job_id}", "PUT /v1/images/{digest}", "draw"]
    assert way[4].startswith("attempt ") and way[5].startswith("step ") and way[6:] == ["work", "run"]
    waiting = next(span for span in spans if span.name == "queue" and span.parent == drawing.parent)
    assert waiting.end <= drawing.start + 0.05


def test_a_models_answer_is_a_span_of_the_field(spans: list[Seen]):
    chats = [span for span in spans if span.name.startswith("chat ")]
    assert {span.service for span in chats} == {"planner", "critic"}
    for chat in chats:
        assert chat.attributes["gen_ai.operation.name"] == "chat"
        assert chat.attributes["gen_ai.usage.output_tokens"] > 0
        assert not any("messages" in name for name in chat.attributes), "contents are not asked for"
    assert above(next(each for each in chats if each.service == "planner"), spans)[-2:] == ["work", "run"]


def test_the_request_that_asked_is_linked_to_the_run(stack: Stack, spans: list[Seen]):
    asked = stack.collector.await_span("POST /interleave", interleavethinker__run_id=stack.answer["id"])
    assert asked.trace_id != spans[0].trace_id and asked.links == (spans[0].trace_id,)
    assert not [span for span in stack.collector.spans if "/readyz" in span.name or "/metrics" in span.name]


def test_lines_of_every_log_carry_the_trace(stack: Stack, spans: list[Seen]):
    for part, event in (("planner", "request"), ("critic", "request"), ("generator", "request"), ("worker", "drawn")):
        text = (stack.home / "logs" / f"{part}.log").read_text()
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        ours = [line for line in lines if line["event"] == event and line.get("run_id") == stack.answer["id"]]
        assert ours and {line["trace_id"] for line in ours} == {spans[0].trace_id}, part
        for _ in range(200):  # an answer that was cut short ends its server's span after the run's
            if not (missing := {line["span_id"] for line in ours} - {span.span_id for span in stack.collector.spans}):
                break
            time.sleep(0.1)
        assert not missing, part


def test_histograms_have_exemplars_where_openmetrics_is_asked_for(stack: Stack, spans: list[Seen]):
    url = f"{stack.urls['orchestrator']}/metrics"
    answer = httpx2.get(url, headers={"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    for name in ("step_seconds", "document_seconds", "first_picture_seconds"):
        samples = families[f"interleavethinker_{name}"].samples
        traces = {sample.exemplar.labels["trace_id"] for sample in samples if sample.exemplar}
        assert traces and traces <= {span.trace_id for span in stack.collector.spans if span.name == "run"}, name
    assert "# {" not in httpx2.get(url).text, "the plain format has none"
