"""The graphics card, where the settings want one: seen by the driver and by torch, with room for the models."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from interleavethinker.doctor.finding import Finding, note, ok, wrong
from interleavethinker.doctor.models import hub_cache
from interleavethinker.settings import PREFIX, find_path

LOCAL = ("local", "diffusers")
ROOM = 1.3
"""Times the weights: what drawing needs beside them."""
ASK_TORCH = "import torch; print(torch.version.cuda or 'none', torch.cuda.is_available())"


class Card(NamedTuple):
    """Memory in bytes."""

    name: str
    memory: int
    free: int


def gpu(sections: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    wanting = {
        role: str(sections[role].get("device", ""))
        for role in ("planner", "critic", "generator")
        if role in sections and sections[role].get("backend") in LOCAL
    }
    cards = list(_cards())
    by_need = [role for role, device in wanting.items() if device.startswith("cuda")]
    if not by_need and not (cards and "auto" in wanting.values()):
        seen = f"; there is {cards[0].name}" if cards else ""
        yield ok("gpu", f"none is asked for: models run on the CPU or elsewhere{seen}")
        return
    role = by_need[0] if by_need else "generator"
    on_cpu = f"or set {PREFIX}{role.upper()}__DEVICE=cpu"
    if not cards:
        yield wrong(
            "gpu", f"the {role} wants {wanting[role]}, and no card is seen", f"install NVIDIA's driver, {on_cpu}"
        )
        return
    cuda, works = _torch()
    if not works:
        build = "this torch is built without CUDA" if cuda == "none" else f"torch's CUDA {cuda} does not start"
        yield wrong("gpu", f"{cards[0].name}, but {build}", f"make setup TORCH_INDEX= (PyPI's build), {on_cpu}")
        return
    yield ok(
        "gpu", ", ".join(f"{card.name}, {card.free / 1e9:.0f} of {card.memory / 1e9:.0f} GB free" for card in cards)
    )
    needed = ROOM * sum(_weights(str(sections[each].get("model"))) for each in wanting if wanting[each] != "cpu")
    if needed > cards[0].memory:
        yield wrong(
            "gpu memory",
            f"the models need about {needed / 1e9:.0f} GB",
            f"serve a smaller model, {on_cpu}, or another card",
        )
    elif needed > cards[0].free:
        yield note("gpu memory", f"the models need about {needed / 1e9:.0f} GB; others use the card", "see nvidia-smi")


def _cards() -> Iterator[Card]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return
    asked = [tool, "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        name, *numbers = (part.strip() for part in line.rsplit(",", 2))
        if len(numbers) == 2 and all(number.isdecimal() for number in numbers):
            total, free = (int(number) * 2**20 for number in numbers)
            yield Card(name, total, free)


def _torch() -> tuple[str, bool]:
    """The CUDA that torch was built for, and whether it starts; asked in a process of its own, since it takes long."""
    done = subprocess.run([sys.executable, "-c", ASK_TORCH], capture_output=True, text=True, timeout=120, check=False)
    cuda, _, works = done.stdout.strip().partition(" ")
    return cuda or "none", works == "True"


def _weights(model: str) -> int:
    """Bytes of the model's weights on this disk; 0 where they were not fetched."""
    path = find_path(model)
    if not path.is_dir():
        path = Path(hub_cache() / f"models--{model.partition('@')[0].replace('/', '--')}")
    return sum(file.stat().st_size for file in path.rglob("*.safetensors")) if path.is_dir() else 0
