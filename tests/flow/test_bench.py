"""The benchmarks run: the baseline and our loop decide alike on the same stand-ins, and the floor is below both."""

from __future__ import annotations

import json
from pathlib import Path

from bench import documents
from bench.latencies import PROFILES, floor
from bench.sequential import sequential
from bench.standins import LanguageGpu, StandInCritic, StandInGenerator, StandInPlanner
from interleavethinker.types import ImageJob

FAST = PROFILES[2].paced(0.002)


def test_two_documents_make_a_row_for_each_way(tmp_path: Path):
    out = tmp_path / "documents.json"
    asked = "--documents 2 --pace 0.02 --lanes 2 --profile 4b --steps 3 --acceptance 0.7"
    documents.main([*asked.split(), "--out", str(out)])
    plain, next_step, guessing = json.loads(out.read_text())["rows"]
    assert [row["overlap"] for row in (plain, next_step, guessing)] == ["none", "next step", "deep"]
    assert plain["draws"] == guessing["draws"] == plain["pictures_drawn"]
    assert guessing["pictures_drawn"] >= guessing["draws"]
    assert plain["seconds"]["p50"] >= plain["floor_seconds"] > 0
    assert plain["baseline_seconds"]["p50"] > plain["floor_seconds"]
    assert out.with_suffix(".png").stat().st_size > 0


async def test_the_baseline_keeps_the_last_attempt_and_one_seed():
    gpu = LanguageGpu(FAST)
    request = documents.asking(1, 0.0, 2)
    async with StandInGenerator(FAST, workers=1) as generator:
        kept = await sequential(
            request,
            planner=StandInPlanner(gpu, 2),
            generator=generator,
            critic=StandInCritic(gpu, stop_on_accept=False),
        )
    assert [number for number, _ in kept] == [request.max_attempts] * 2
    assert generator.denoised == 4 * 2 * request.max_attempts


async def test_a_stand_in_guess_gives_way_and_is_drawn_later():
    guess, normal = ImageJob(prompt="a guess", seed=1), ImageJob(prompt="wanted", seed=1)
    async with StandInGenerator(PROFILES[0].paced(0.1), workers=1) as generator:
        await generator.foresee(guess)
        drawings = [await generator.draw(normal), await generator.draw(guess)]
        assert [drawing.job_id for drawing in drawings] == [normal.id, guess.id]


def test_the_floor_of_a_document_that_is_accepted_at_once():
    nine = PROFILES[0]
    whole, one_ahead = floor(nine, 2, 5, lambda step, number: True)
    second_drawn = max(nine.closes(1) + nine.text_to_image, nine.closes(2)) + nine.edit
    assert whole == second_drawn + nine.judge(180)
    assert one_ahead == max(nine.closes(1) + nine.text_to_image + nine.judge(180), second_drawn) + nine.judge(180)
