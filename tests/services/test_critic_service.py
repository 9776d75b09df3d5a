"""The critic service as its callers and its operators meet it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest
from prometheus_client import REGISTRY

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.checkpoint import Manifest, write_manifest
from interleavethinker.clients.critic import CriticClient
from interleavethinker.ports import put_image
from interleavethinker.types import Critique, Outcome
from services.critic_service.app import build, critic_app
from services.critic_service.service import CriticService
from services.critic_service.settings import CriticSettings
from tests.lessons import CRITIC, PACK, PROMPT, REVISE, REVISING, RIGHT, WRONG, taught
from tests.scripted import ScriptedChat
from tests.servers.serve import served, until


def service(chat: ScriptedChat, blobs: DirectoryBlobs, **settings: object) -> CriticService:
    return CriticService(chat, CRITIC, blobs, CriticSettings.model_validate(settings))


@pytest.fixture
async def critique(blobs: DirectoryBlobs) -> Critique:
    return Critique(prompt=PROMPT, last_prompt=PROMPT, after=await put_image(blobs, WRONG, width=64, height=64))


async def test_a_caller_who_hangs_up_stops_the_model(blobs: DirectoryBlobs, critique: Critique) -> None:
    chat = ScriptedChat(REVISING.answer, width=1, pause=0.01)
    with served(critic_app(service(chat, blobs))) as url:
        client = CriticClient(url)
        call = asyncio.create_task(client.judge(critique))
        await until(lambda: chat.decoded > 0)
        call.cancel()
        await until(lambda: chat.closed > 0)
        await client.close()
    assert chat.closed == 1
    assert chat.decoded < len(REVISING.answer)


async def test_the_route_by_hand(blobs: DirectoryBlobs, critique: Critique) -> None:
    app = critic_app(service(ScriptedChat(REVISING.answer), blobs))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://critic") as client:
        answer = await client.post("/v1/verdict", json={"critique": critique.model_dump(mode="json")})
        assert answer.status_code == 200
        assert answer.json()["verdict"]["outcome"] == "revise"
        wrong = await client.post("/v1/verdict", json={"critique": {"prompt": "x"}})
        assert wrong.status_code == 422
        assert "after" in wrong.json()["detail"]
        described = (await client.get("/openapi.json")).json()["paths"]["/v1/verdict"]["post"]
        assert set(described["responses"]) >= {"200", "404", "422", "503"}
        assert described["responses"]["200"]["content"]["application/json"]["example"]["verdict"]


async def test_what_is_measured(blobs: DirectoryBlobs, critique: Critique) -> None:
    names = [
        ("interleavethinker_work_seconds_count", {"role": "critic", "outcome": "ok"}),
        ("interleavethinker_tokens_total", {"role": "critic"}),
        ("interleavethinker_malformed_answers_total", {"role": "critic", "reason": "missing_think"}),
        ("interleavethinker_verdicts_total", {"outcome": "revise"}),
    ]
    before = [REGISTRY.get_sample_value(name, labels) or 0.0 for name, labels in names]
    chat = ScriptedChat("no", REVISING.answer)
    await service(chat, blobs).judge(critique)
    after = [REGISTRY.get_sample_value(name, labels) or 0.0 for name, labels in names]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, chat.decoded, 1, 1]


async def test_a_model_of_another_pack_is_not_ready(blobs: DirectoryBlobs, tmp_path: Path) -> None:
    manifest = Manifest(kind="critic", name="tiny", base="none", pack="compact", pack_digest="0" * 64)
    write_manifest(tmp_path, manifest)
    (problem,) = await service(ScriptedChat(""), blobs, model=str(tmp_path)).ready()
    assert PACK.digest in problem


async def test_the_whole_service_on_a_real_small_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INTERLEAVETHINKER_BLOBS__URL", str(tmp_path / "shared"))
    blobs = DirectoryBlobs(tmp_path / "shared")
    wrong = await put_image(blobs, WRONG, width=64, height=64)
    right = await put_image(blobs, RIGHT, width=64, height=64)
    with served(build(CriticSettings(model=str(taught()), pack="compact", threads=1))) as url:
        client = CriticClient(url)
        revised = await client.judge(Critique(prompt=PROMPT, last_prompt=PROMPT, after=wrong))
        accepted = await client.judge(Critique(prompt=PROMPT, last_prompt=PROMPT, after=right))
        await client.close()
    assert revised.raw == (REVISING.answer,)
    assert revised.verdict.refined_prompt == REVISE.refined_prompt
    assert accepted.verdict.outcome is Outcome.ACCEPT
    assert all(0.5 < (found.verdict.confidence or 0) <= 1 for found in (revised, accepted))
