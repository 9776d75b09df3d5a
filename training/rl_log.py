"""What a GRPO run writes down, so that a person can see whether the policy learns or cheats.

log.jsonl      a row a step: reward and its parts, verdicts against the truth, lengths, drops, KL, seconds
rewards.jsonl  a row a step: every answer's parts as lists, for histograms
samples.jsonl  now and then a few questions with their answers and rewards, to read
held_out.jsonl now and then the greedy answers to held-out questions: verdict accuracy, and what refinements gained
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import torch
from transformers import TrainerCallback
from trl.models import unwrap_model_for_generation

from interleavethinker.codec import Message
from interleavethinker.types import Outcome
from training.data.values import RlExample
from training.grpo_recipe import GrpoRecipe
from training.machine import peak_gb
from training.rewards import Judged, Reward, reward, right
from training.rollout import sample

RENAMED = {
    "completions/mean_length": "length",
    "completions/clipped_ratio": "cut_off",
    "frac_reward_zero_std": "flat_groups",
    "step_time": "seconds",
}
SHOWN = ("reward", "step_reward", "fixed", "accepted", "right_on_true", "right_on_false", "malformed", "length", "kl")
PARTS = {
    "reward": "total", "format_reward": "format", "accuracy_reward": "accuracy", "step_reward": "step",
}  # fmt: skip
"""How the parts of a reward are called in the rows; "step" there is the number of the step."""
SAMPLES = 4
HELD_OUT = (
    "mean_reward", "accepted", "right_on_true", "right_on_false", "malformed", "fixed", "gain", "dropped",
)  # fmt: skip
CHUNK = 32


class RunLog(TrainerCallback):
    """Writes the files above for one run; rows after the checkpoint that a run resumes from are taken back."""

    def __init__(self, out: Path, recipe: GrpoRecipe) -> None:
        self.out, self.recipe = out, recipe
        self.started, self.first = time.monotonic(), 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.started, self.first = time.monotonic(), state.global_step
        for name in ("log", "rewards", "samples", "held_out"):
            path = self.out / f"{name}.jsonl"
            if path.exists() and state.is_world_process_zero:
                rows = [row for row in read_rows(path) if row["step"] <= state.global_step]
                path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def write(self, name: str, row: dict[str, Any]) -> None:
        with (self.out / f"{name}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def rollouts(
        self,
        examples: Sequence[RlExample],
        answers: Sequence[str],
        judged: Sequence[Judged],
        rewards: Sequence[Reward | None],
        lengths: Sequence[int],
        state: Any,
        log_metric: Callable[[str, float], None],
    ) -> None:
        """Note one batch of answers; `state` is the trainer's, `log_metric` TRL's."""
        for name, value in measures(judged, rewards).items():
            log_metric(name, value)
        redrawn = [one.verdict.refined_prompt for one in judged if one.new is not None and one.verdict]
        if redrawn:
            log_metric("distinct_refinements", len(set(redrawn)) / len(redrawn))
        if not state.is_world_process_zero:
            return
        step = state.global_step + 1
        kept = [(one, earned, n) for one, earned, n in zip(judged, rewards, lengths, strict=True) if earned is not None]
        parts = {name: [round(getattr(earned, field), 4) for _, earned, _ in kept] for name, field in PARTS.items()}
        self.write("rewards", {"step": step, **parts, "length": [length for _, _, length in kept]})
        if step == 1 or step % self.recipe.samples_every == 0:
            chosen = range(0, len(answers), max(1, len(answers) // SAMPLES))
            for at in chosen:
                self.write("samples", {"step": step} | told(examples[at], answers[at], judged[at], rewards[at]))

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not logs or "reward" not in logs or not state.is_world_process_zero:
            return
        row: dict[str, Any] = {"step": state.global_step, "of": state.max_steps}
        for name, value in logs.items():
            if "/" not in name or name in RENAMED:
                row[RENAMED.get(name, name)] = round(value, 6) if isinstance(value, float) else value
        self.write("log", row | {"peak_gb": round(peak_gb(), 3)})
        done, elapsed = state.global_step - self.first, time.monotonic() - self.started
        left = elapsed / max(1, done) * (state.max_steps - state.global_step) / 60
        shown = "  ".join(f"{name} {row[name]:.3g}" for name in SHOWN if isinstance(row.get(name), int | float))
        at = f"{state.global_step}/{state.max_steps}  {elapsed / 60:.1f} min, {left:.1f} left"
        print(f"[grpo] {at}  {shown}", flush=True)


def measures(judged: Sequence[Judged], rewards: Sequence[Reward | None]) -> dict[str, float]:
    """Means over a batch; a name is missing where nothing counts towards it. Dropped samples count as dropped only."""
    kept = [(one, earned) for one, earned in zip(judged, rewards, strict=True) if earned is not None]
    read = [one for one, _ in kept if one.verdict is not None]
    redrawn = [(one.new, one.old) for one, _ in kept if one.new is not None]
    values: dict[str, list[float]] = {
        "format_reward": [earned.format for _, earned in kept],
        "accuracy_reward": [earned.accuracy for _, earned in kept],
        "step_reward": [earned.step for _, earned in kept],
        "accepted": [one.verdict is not None and one.verdict.outcome is Outcome.ACCEPT for one in read],
        "right_on_true": [right(one) for one, _ in kept if one.old.success],
        "right_on_false": [right(one) for one, _ in kept if not one.old.success],
        "malformed": [one.verdict is None for one, _ in kept],
        "fixed": [new.success for new, _ in redrawn],
        "gain": [(new.overall - old.overall) / 10 for new, old in redrawn],
    }
    found = {name: fmean(numbers) for name, numbers in values.items() if numbers}
    found |= {f"{name}_std": pstdev(values[name]) for name in ("accuracy_reward", "step_reward") if values[name]}
    return found | {"dropped": float(sum(one.dropped for one in judged))}


def told(example: RlExample, answer: str, judged: Judged, earned: Reward | None) -> dict[str, Any]:
    """One answer for a person to read."""
    return {
        "prompt": example.prompt,
        "last_prompt": example.last_prompt,
        "truth": "success" if example.scores.success else "failure",
        "score": round(example.scores.overall, 2),
        "answer": answer,
        "redrawn_score": None if judged.new is None else round(judged.new.overall, 2),
        "reward": "dropped" if earned is None else {name: round(v, 3) for name, v in earned._asdict().items()},
    }


class HeldOut(TrainerCallback):
    """Asks held-out questions greedily before the first step, every so many steps and after the last one."""

    def __init__(
        self, trainer: Any, scoring: Any, questions: Sequence[Sequence[Message[bytes]]], recipe: GrpoRecipe
    ) -> None:
        self.trainer, self.scoring, self.questions, self.recipe = trainer, scoring, questions, recipe

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 0:
            self._check(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step % self.recipe.held_out_every == 0 or state.global_step == state.max_steps:
            self._check(state)

    def _check(self, state: Any) -> None:
        trainer, answers = self.trainer, []
        with unwrap_model_for_generation(trainer.model_wrapped, trainer.accelerator) as model, torch.no_grad():
            for at in range(0, len(self.questions), CHUNK):
                rows = [trainer.inputs.encode(asked) for asked in self.questions[at : at + CHUNK]]
                most, ends = self.recipe.max_tokens, trainer.eos_token_ids
                which = torch.arange(len(rows))
                answers += sample(model, trainer.inputs, rows, which, max_tokens=most, temperature=0, ends=ends)
        if not state.is_world_process_zero:
            return
        texts = trainer.inputs.tokenizer.batch_decode(answers, skip_special_tokens=True)
        judged = self.scoring.judged(range(len(texts)), texts)
        rewards = [None if one.dropped else reward(one, self.recipe.reward) for one in judged]
        earned = [one.total for one in rewards if one is not None]
        found = measures(judged, rewards) | ({"mean_reward": fmean(earned)} if earned else {})
        row = {name: round(found[name], 4) for name in HELD_OUT if name in found}
        sides = [row[name] for name in ("right_on_true", "right_on_false") if name in row]
        balanced = {"balanced_accuracy": round(fmean(sides), 4)} if sides else {}
        row = {"step": state.global_step, "n": len(texts)} | balanced | row
        self.scoring.log.write("held_out", row)
        print("[held out] " + "  ".join(f"{name} {value:g}" for name, value in row.items()), flush=True)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a .jsonl file, none if there is no file. A last line that was cut off is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
