"""Several generators in one installation: a request names one, its run is drawn by it, and one that is away holds up
nobody else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.errors import BadSettings, Unavailable
from interleavethinker.settings import PREFIX, load_section
from interleavethinker.types import Drawing, ImageJob
from services.orchestrator.app import create_app
from services.orchestrator.generators import Generators, generator_names
from services.orchestrator.settings import OrchestratorSettings
from tests.doors import SNOWMAN, WAIT, called, opened
from tests.fakes import FakeGenerator


class Away(FakeGenerator):
    """A generator whose service does not answer."""

    async def draw(self, job: ImageJob) -> Drawing:
        raise Unavailable("nobody is there")


def two(blobs: DirectoryBlobs) -> tuple[FakeGenerator, FakeGenerator, Generators]:
    own, other = FakeGenerator(blobs), FakeGenerator(blobs)
    return own, other, Generators(own, {"hosted": other}, default_name="own")


async def document(http: Any, **fields: Any) -> Any:
    answer = await http.post("/interleave", json=SNOWMAN | fields, headers=WAIT)
    return answer.json()["document"]


async def test_a_request_names_who_draws(tmp_path: Path, blobs: DirectoryBlobs):
    own, other, generators = two(blobs)
    async with opened(tmp_path, blobs, generator=generators) as (_, http):
        plain = await document(http)
        assert (len(own.drawn), len(other.drawn)) == (2, 0)
        assert plain["request"]["generator"] is None
        named = await document(http, generator="hosted", seed=2)
        assert (len(own.drawn), len(other.drawn)) == (2, 2)
        assert named["request"]["generator"] == "hosted"
        await document(http, generator="own", seed=3)
        assert (len(own.drawn), len(other.drawn)) == (4, 2)


async def test_an_unknown_name_is_refused_with_those_there_are(tmp_path: Path, blobs: DirectoryBlobs):
    _, _, generators = two(blobs)
    async with opened(tmp_path, blobs, generator=generators) as (_, http):
        answer = await http.post("/interleave", json=SNOWMAN | {"generator": "hostde"})
        assert answer.status_code == 422
        assert answer.json()["detail"] == "generator: there is no 'hostde'; there are own, hosted"
        assert answer.json()["known"] == ["own", "hosted"]
        run = (await document(http))["run_id"]
        for wish in ("branch", "continue"):
            body = {"from_step": 2} if wish == "branch" else {"prompt": "more"}
            refused = await http.post(f"/interleave/{run}/{wish}", json=body | {"generator": "x"})
            assert refused.status_code == 422
            assert "there are own, hosted" in refused.json()["detail"]
        assert (await http.post("/interleave", json=SNOWMAN | {"generator": "Not A Name"})).status_code == 422


async def test_a_branch_may_be_drawn_by_another(tmp_path: Path, blobs: DirectoryBlobs):
    own, other, generators = two(blobs)
    async with opened(tmp_path, blobs, generator=generators) as (_, http):
        run = (await document(http))["run_id"]
        body = {"from_step": 2, "generator": "hosted", "seed": 9}
        branched = (await http.post(f"/interleave/{run}/branch", json=body, headers=WAIT)).json()["document"]
        assert branched["status"] == "succeeded"
        assert (len(own.drawn), len(other.drawn)) == (2, 1)


async def test_one_that_is_away_holds_up_only_its_own_runs(tmp_path: Path, blobs: DirectoryBlobs):
    own = FakeGenerator(blobs)
    generators = Generators(own, {"hosted": Away(blobs)})
    async with opened(tmp_path, blobs, generator=generators, patience_seconds=1000) as (_, http):
        waiting = (await http.post("/interleave", json=SNOWMAN | {"generator": "hosted"})).json()["id"]
        assert (await document(http, seed=5))["status"] == "succeeded"
        assert (await http.get(f"/interleave/{waiting}")).json()["status"] in ("queued", "processing")
        while 'wanted="generator hosted"' not in (await http.get("/metrics")).text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await http.delete(f"/interleave/{waiting}")


async def test_a_run_whose_generator_is_not_offered_any_more_ends_in_words(tmp_path: Path, blobs: DirectoryBlobs):
    _, _, generators = two(blobs)
    async with opened(tmp_path, blobs, generator=generators) as (_, http):
        run = (await document(http, generator="hosted"))["run_id"]
    async with opened(tmp_path, blobs) as (_, http):
        again = await http.post(f"/interleave/{run}/steps/1/redraw", json={}, headers=WAIT)
        assert again.json()["document"]["problem"]["detail"].startswith(
            "the generator 'hosted' is not offered any more"
        )
        assert again.json()["document"]["steps"][0]["kept"] == 1


async def test_the_settings_name_them(tmp_path: Path, blobs: DirectoryBlobs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(
        f"{PREFIX}ORCHESTRATOR__GENERATORS", '{"hosted": "http://127.0.0.1:9", "best": "http://127.0.0.1:8"}'
    )
    monkeypatch.setenv(f"{PREFIX}ORCHESTRATOR__GENERATOR_NAME", "flux")
    monkeypatch.setenv(f"{PREFIX}ORCHESTRATOR__JOURNAL", f"sqlite:///{tmp_path}/journal.db")
    settings = load_section("orchestrator", OrchestratorSettings)
    assert generator_names(settings) == ["flux", "best", "hosted"]
    async with called(create_app(settings, blobs=blobs)) as http:
        refused = await http.post("/interleave", json=SNOWMAN | {"generator": "other"})
        assert refused.json()["known"] == ["flux", "best", "hosted"]
    monkeypatch.setenv(f"{PREFIX}ORCHESTRATOR__GENERATOR_NAME", "best")
    with pytest.raises(BadSettings, match="generators names 'best', which is the one at generator_url"):
        load_section("orchestrator", OrchestratorSettings)
