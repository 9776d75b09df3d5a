"""Small data sets on disk, and a small model to learn from them, for the tests of fine-tuning."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from interleavethinker.types import Outcome, Plan, Step, Verdict
from training.data.store import write_examples
from training.data.values import CriticExample, PlannerExample, RlExample
from training.judge import Scores
from training.recipe import SftRecipe


def png(seed: int, width: int = 64, height: int = 64) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def critic_examples(count: int = 12) -> list[CriticExample]:
    accept = Verdict(outcome=Outcome.ACCEPT, reasoning="all of it is there")
    return [
        CriticExample(
            f"place {number} boats",
            f"place {number} boats",
            None if number % 3 == 0 else png(number),
            png(100 + number),
            accept if number % 2 else Verdict(outcome=Outcome.REVISE, refined_prompt=f"{number} boats", reasoning="no"),
        )
        for number in range(count)
    ]


def planner_examples(count: int = 8) -> list[PlannerExample]:
    steps = tuple(Step(index=index, name=f"step {index}", prompt=f"draw {index}") for index in (1, 2))
    return [
        PlannerExample(
            f"a story of {number} boats" + " <image>" * (number % 2),
            (png(number),) * (number % 2),
            Plan(steps=steps, reasoning="two steps"),
        )
        for number in range(count)
    ]


def rl_examples(count: int = 4) -> list[RlExample]:
    scores = [Scores(semantics=2, quality=8, success=False), Scores(semantics=10, quality=10, success=True)]
    return [
        RlExample(f"{number} boats", f"{number} boats", png(number), png(100 + number), scores[number % 2], seed=number)
        for number in range(count)
    ]


def write_sets(directory: Path) -> Path:
    """All three sets, in the places where `synthesize` puts them."""
    write_examples(directory / "Interleave-Planner-SFT" / "00000.parquet", planner_examples(), "planner")
    write_examples(directory / "Interleave-Critic-SFT" / "00000.parquet", critic_examples(7), "critic")
    write_examples(directory / "Interleave-Critic-SFT" / "00001.parquet", critic_examples(5), "critic")
    write_examples(directory / "Interleave-Critic-RL" / "00000.parquet", rl_examples(), "rl")
    return directory


def tiny_recipe(base: Path, data: Path, /, **changed: object) -> SftRecipe:
    said: dict[str, object] = {
        "base": str(base), "role": "critic", "pack": "compact", "data": data, "samples": 16, "batch": 4,
        "per_device_batch": 2, "learning_rate": 1e-3, "log_every": 1, "save_every": 2, "keep": 9, "max_tokens": 2048,
        "precision": "float32", "threads": 1,
    }  # fmt: skip
    return SftRecipe.model_validate(said | changed)
