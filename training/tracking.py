"""What a run says of itself while it goes on: a line with the time left, a log file, TensorBoard or trackio by switch;
and the picture of its curves.

The log is rebuilt from the trainer's own state when a run is resumed, so that it never tells of steps that were taken
back.
"""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from interleavethinker.errors import BadSettings
from training.machine import peak_gb

LOG = "log.jsonl"
SHOWN = ("loss", "token_accuracy", "learning_rate", "grad_norm")
PACKAGES = {"tensorboard": "tensorboard", "trackio": "trackio"}


def check_reporting(report_to: str) -> None:
    """Raises BadSettings when the switch names something that is not installed."""
    package = PACKAGES.get(report_to)
    if package and importlib.util.find_spec(package) is None:
        raise BadSettings(
            f"report_to is {report_to!r}, which is not installed: `pip install {package}`, or write 'none'"
        )


class Telling(TrainerCallback):
    """Prints a line for each log, with what is left, and keeps all of them in `log.jsonl`."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._began, self._first = time.monotonic(), 0
        self._last = (self._began, 0)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._began, self._first = time.monotonic(), state.global_step
        self._last = (self._began, self._first)
        if state.is_world_process_zero:
            self.path.write_text("".join(json.dumps(row) + "\n" for row in state.log_history))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if not state.is_world_process_zero or not logs:
            return
        row = {**logs, "step": state.global_step} | self._taken(state.global_step)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        seconds, done = time.monotonic() - self._began, state.global_step - self._first
        left = seconds / done * (state.max_steps - state.global_step) if done else 0.0
        parts = "  ".join(
            f"{key} {value:.4g}"
            for key, value in logs.items()
            if key.removeprefix("eval_") in SHOWN and isinstance(value, int | float)
        )
        at = f"{state.global_step}/{state.max_steps}  {seconds / 60:.1f} min, {left / 60:.1f} left"
        if parts:
            print(f"[{self.name}] {at}  {parts}", flush=True)

    def _taken(self, step: int) -> dict[str, float]:
        """Seconds a step since the row before, nothing where no step was taken; and memory so far."""
        (then, before), now = self._last, time.monotonic()
        if step <= before:
            return {}
        self._last = (now, step)
        return {"seconds": round((now - then) / (step - before), 3), "peak_gb": round(peak_gb(), 3)}


def stages(history: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """A trainer's log as the panels of `training.plots.curve`: what was learned from, and what was held out."""
    learned = [_named(row) for row in history if "loss" in row]
    measured = [_named(row) for row in history if "eval_loss" in row]
    return {"training": learned, "held out": measured}


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return {key.removeprefix("eval_"): value for key, value in row.items()}
