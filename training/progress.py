"""What every training run leaves behind: a line per so many steps on the terminal and in a .jsonl, and a state to
resume from."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch


class Progress:
    """Counts steps, averages what is logged, and prints it with the speed and the time left."""

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every
        self.sums: dict[str, float] = {}
        self.count = 0
        self.total = 0
        self.first = 0

    def steps(self, total: int, start: int = 0) -> Iterator[int]:
        self.total, self.first, self.started = total, start, time.monotonic()
        yield from range(start, total)

    def log(self, step: int, **values: float) -> None:
        """Add values of one step; every `every` steps their means are written."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        if (step + 1) % self.every and step + 1 != self.total:
            return
        elapsed = time.monotonic() - self.started
        row: dict[str, Any] = {"step": step + 1, "of": self.total, "seconds": round(elapsed, 1)}
        row |= {name: round(total / self.count, 5) for name, total in self.sums.items()}
        if "samples" in values:
            row["samples"] = values["samples"]
        left = elapsed / (step + 1 - self.first) * (self.total - step - 1)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        shown = "  ".join(f"{name} {value}" for name, value in row.items() if name not in ("step", "of", "seconds"))
        print(
            f"[{self.path.stem}] {step + 1}/{self.total}  {elapsed / 60:.1f} min, {left / 60:.1f} left  {shown}",
            flush=True,
        )
        self.sums, self.count = {}, 0


def save_state(path: Path, step: int, **parts: Any) -> None:
    """Write the parts' states atomically."""
    temporary = path.with_suffix(".new")
    torch.save({"step": step, **{name: part.state_dict() for name, part in parts.items()}}, temporary)
    temporary.replace(path)


def load_state(path: Path, **parts: Any) -> int:
    """Load a state into the parts and return its step, 0 if there is none."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["step"])
