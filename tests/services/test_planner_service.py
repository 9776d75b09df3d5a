"""The planner service as its callers and its operators meet it: over a real socket where pieces and time matter."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import httpx2
import pytest
from prometheus_client import REGISTRY

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.chat.settings import served_model
from interleavethinker.checkpoint import Manifest, write_manifest
from interleavethinker.clients.planner import PlannerClient
from interleavethinker.errors import Malformed
from interleavethinker.ports import Planning
from interleavethinker.types import Step
from services.planner_service.app import build, planner_app
from services.planner_service.service import PlannerService
from services.planner_service.settings import PlannerSettings
from tests.lessons import BRIEF, PACK, PLAN, PLANNER, PLANNING, taught
from tests.scripted import ScriptedChat
from tests.servers.serve import served, until


def service(chat: ScriptedChat, blobs: DirectoryBlobs, **settings: object) -> PlannerService:
    return PlannerService(chat, PLANNER, blobs, PlannerSettings.model_validate(settings))


async def test_a_step_arrives_while_the_next_one_is_being_written(blobs: DirectoryBlobs) -> None:
    chat = ScriptedChat(PLANNING.answer, width=4, pause=0.005)
    with served(planner_app(service(chat, blobs))) as url:
        client = PlannerClient(url)
        async with aclosing(client.plan(BRIEF)) as stream:
            assert await anext(stream) == PLAN.steps[0]
            assert chat.decoded * chat.width < len(PLANNING.answer) - 40
            assert await anext(stream) == PLAN.steps[1]
            assert await anext(stream) == Planning(PLAN, (PLANNING.answer,), served_model(PlannerSettings()))
        await client.close()


async def test_a_caller_who_hangs_up_stops_the_model(blobs: DirectoryBlobs) -> None:
    chat = ScriptedChat(PLANNING.answer, width=1, pause=0.005)
    with served(planner_app(service(chat, blobs))) as url:
        client = PlannerClient(url)
        async with aclosing(client.plan(BRIEF)) as stream:
            await anext(stream)
        await client.close()
        await until(lambda: chat.closed > 0)
    assert chat.closed == 1
    assert chat.decoded < len(PLANNING.answer)


async def test_an_error_after_the_first_step_is_an_event(blobs: DirectoryBlobs) -> None:
    broken = PLANNING.answer.replace("'step_number': 2", "'step_number': 7")
    with served(planner_app(service(ScriptedChat(broken), blobs, reasks=0))) as url:
        client = PlannerClient(url)
        steps = []
        with pytest.raises(Malformed) as raised:
            async for step in client.plan(BRIEF):
                steps.append(step)
        await client.close()
    assert steps == [PLAN.steps[0]]
    assert raised.value.reason == "wrong_fields"
    assert raised.value.extra["raws"]


async def test_the_route_by_hand(blobs: DirectoryBlobs) -> None:
    app = planner_app(service(ScriptedChat(PLANNING.answer), blobs))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://planner") as client:
        asked = {"brief": BRIEF.model_dump(mode="json")}
        whole = await client.post("/v1/plan", json=asked)
        assert whole.status_code == 200
        assert [Step(**step) for step in whole.json()["plan"]["steps"]] == list(PLAN.steps)
        stream = await client.post("/v1/plan", json=asked, headers={"Accept": "text/event-stream"})
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert [line for line in stream.text.splitlines() if line.startswith("event")] == [
            "event: step",
            "event: step",
            "event: plan",
        ]
        wrong = await client.post("/v1/plan", json={"brief": {"prompt": ""}, "max_steps": 0})
        assert wrong.status_code == 422
        assert wrong.headers["content-type"] == "application/problem+json"
        assert "max_steps" in wrong.json()["detail"]
        described = (await client.get("/openapi.json")).json()["paths"]["/v1/plan"]["post"]
        assert set(described["responses"]) >= {"200", "404", "422", "502", "503"}
        assert described["requestBody"]["content"]["application/json"]["example"]["brief"]


async def test_an_error_before_the_first_step_has_its_own_status(blobs: DirectoryBlobs) -> None:
    app = planner_app(service(ScriptedChat("no"), blobs))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://planner") as client:
        asked = {"brief": BRIEF.model_dump(mode="json")}
        answer = await client.post("/v1/plan", json=asked, headers={"Accept": "text/event-stream"})
    assert answer.status_code == 502
    problem = answer.json()
    assert (problem["code"], problem["reason"], problem["raws"]) == ("malformed_answer", "missing_think", ["no"] * 3)


async def test_what_is_measured(blobs: DirectoryBlobs) -> None:
    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    names = [
        ("interleavethinker_work_seconds_count", {"role": "planner", "outcome": "ok"}),
        ("interleavethinker_tokens_total", {"role": "planner"}),
        ("interleavethinker_malformed_answers_total", {"role": "planner", "reason": "missing_think"}),
    ]
    before = [value(name, **labels) for name, labels in names]
    chat = ScriptedChat("no", PLANNING.answer)
    async for _ in service(chat, blobs).plan(BRIEF):
        pass
    after = [value(name, **labels) for name, labels in names]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, chat.decoded, 1]


@pytest.mark.parametrize(("digest", "ready"), [(PACK.digest, True), ("0" * 64, False)])
async def test_a_model_of_another_pack_is_not_ready(
    blobs: DirectoryBlobs, tmp_path: Path, digest: str, ready: bool
) -> None:
    manifest = Manifest(kind="planner", name="tiny", base="none", pack="compact", pack_digest=digest)
    write_manifest(tmp_path, manifest)
    app = planner_app(service(ScriptedChat(PLANNING.answer), blobs, model=str(tmp_path)))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://planner") as client:
        answer = await client.get("/readyz")
    assert answer.status_code == (200 if ready else 503)
    if not ready:
        assert digest in answer.json()["detail"]
        assert PACK.digest in answer.json()["detail"]


async def test_the_whole_service_on_a_real_small_model() -> None:
    settings = PlannerSettings(model=str(taught()), pack="compact", threads=1)
    with served(build(settings)) as url:
        client = PlannerClient(url)
        whole = Planning(PLAN, (PLANNING.answer,), served_model(settings))
        assert [each async for each in client.plan(BRIEF)] == [*PLAN.steps, whole]
        *_, end = [each async for each in client.plan(BRIEF, max_steps=1)]
        assert isinstance(end, Planning)
        assert end.plan.steps == PLAN.steps[:1]
        await client.close()


async def test_a_missing_model_is_said_by_readiness() -> None:
    app = build(PlannerSettings(model="no/such/directory"))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://planner") as client:
        answer = await client.post("/v1/plan", json={"brief": BRIEF.model_dump(mode="json")})
        assert "no model directory no/such/directory" in (await client.get("/readyz")).json()["detail"]
    assert answer.status_code == 503
    assert answer.json()["code"] == "bad_checkpoint"
