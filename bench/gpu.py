"""What the two trials at real size share: the card, its roof, timing, and bench/results/gpu.json.

Weights are random: time depends on shapes alone. Deliberately not here: models (`gpu_generator`, `gpu_vlm`)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

RESULT = Path("bench/results/gpu.json")
ROOFS = {"H100": (989.0, 1979.0), "H200": (989.0, 1979.0), "A100": (312.0, 312.0), "L40S": (362.0, 733.0)}
"""Dense TFLOP/s in BF16 and FP8, by a part of the card's name: the makers' data sheets, SXM where there are two."""


def device(*, tiny: bool) -> torch.device:
    """CUDA's first, or a CPU for the tiny models. Ends the program with one line where there is none."""
    if tiny:
        torch.set_num_threads(1)
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise SystemExit("torch sees no CUDA device: run this on a GPU, or with --tiny to see that it works")
    return torch.device("cuda")


def card(at: torch.device) -> str:
    return torch.cuda.get_device_name(at) if at.type == "cuda" else "cpu"


def roof(name: str, *, fp8: bool) -> float | None:
    """Of the card, TFLOP/s; None for one that is not in `ROOFS`."""
    found = next((both for part, both in ROOFS.items() if part in name), None)
    return found[fp8] if found else None


def tflop(work: Callable[[], object]) -> float:
    """Of matrix products, convolutions and attention, as counted by torch while it works without a compiler."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e12


def seconds(work: Callable[[], object], at: torch.device, repeats: int) -> float:
    """Median after one that is not counted."""
    work()
    taken = []
    for _ in range(repeats):
        _wait(at)
        began = time.perf_counter()
        work()
        _wait(at)
        taken.append(time.perf_counter() - began)
    return median(taken)


def figures(at: torch.device, taken: float, work: float, *, fp8: bool = False) -> dict[str, Any]:
    """ms, TFLOP/s, share of the roof (None where it is not known), and the most memory so far, GiB."""
    most = roof(card(at), fp8=fp8)
    return {
        "ms": round(taken * 1000, 2),
        "tflop": round(work, 6),
        "tflops": round(work / taken, 4),
        "share_of_roof": round(work / taken / most, 3) if most else None,
        "gib": round(torch.cuda.max_memory_allocated(at) / 2**30, 2) if at.type == "cuda" else None,
    }


def keep(part: str, result: Mapping[str, Any], out: Path) -> None:
    """Write `part` of the file, and leave its other parts as they are."""
    whole = json.loads(out.read_text()) if out.is_file() else {}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**whole, part: result}, indent=1) + "\n")


def parameters(module: torch.nn.Module) -> float:
    """In billions."""
    return round(sum(each.numel() for each in module.parameters()) / 1e9, 4)


def _wait(at: torch.device) -> None:
    if at.type == "cuda":
        torch.cuda.synchronize(at)
