"""A sheet of examples for a person to look at: one HTML file with every picture in it, no script, nothing loaded.

It shows what a model would be taught, row by row, with the counts of the card above. It judges nothing.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from interleavethinker.codec.images import dimensions
from interleavethinker.types import IMAGE_MARKER, Outcome
from training.data.cards import ABOUT, read_card
from training.data.check import find_sets
from training.data.store import Kind, read_examples
from training.data.values import CriticExample, PlannerExample, RlExample

SMALL = 256
"""Pixels below which a picture is enlarged without smoothing."""
_SIGNATURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


def sheet(path: Path, out: Path, *, n: int = 24, seed: int = 0) -> Path:
    """Write the sheet of `n` random rows of each set at `path`. Raises BadRequest where there is no set."""
    sets = []
    for kind, directory in find_sets(path).items():
        card = read_card(directory)
        sets.append({"card": card, "about": ABOUT[kind], "rows": list(_some(directory, kind, card.rows, n, seed))})
    templates = Environment(
        loader=PackageLoader("training.data"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(templates.get_template("sheet.html.j2").render(sets=sets), encoding="utf-8")
    return out


def _some(directory: Path, kind: Kind, rows: int, n: int, seed: int) -> Iterator[dict[str, Any]]:
    chosen = set(random.Random(f"sheet {seed}").sample(range(rows), min(n, rows)))
    for number, example in enumerate(read_examples(directory, kind)):
        if number in chosen:
            yield {"number": number, "kind": kind, "source": example.source} | _shown(example)


def _shown(example: PlannerExample | CriticExample | RlExample) -> dict[str, Any]:
    if isinstance(example, PlannerExample):
        return {
            "parts": _parts(example),
            "reasoning": example.plan.reasoning,
            "steps": example.plan.steps,
            "task": example.task,
        }
    shown: dict[str, Any] = {
        "prompt": example.prompt,
        "last_prompt": example.last_prompt,
        "before": _picture(example.before),
        "after": _picture(example.after),
    }
    if isinstance(example, RlExample):
        scores = example.scores
        return shown | {"right": scores.success, "scores": scores, "seed": example.seed}
    verdict = example.verdict
    return shown | {
        "right": verdict.outcome is Outcome.ACCEPT,
        "reasoning": verdict.reasoning,
        "refined": verdict.refined_prompt,
    }


def _parts(example: PlannerExample) -> list[dict[str, Any]]:
    """The request as it is read: words and pictures in order; pictures without a marker come first."""
    pieces = example.prompt.split(IMAGE_MARKER)
    first = len(example.images) - (len(pieces) - 1)
    parts: list[dict[str, Any]] = [{"picture": _picture(image), "text": None} for image in example.images[:first]]
    for number, piece in enumerate(pieces):
        if number:
            parts.append({"picture": _picture(example.images[first + number - 1]), "text": None})
        if piece.strip():
            parts.append({"picture": None, "text": piece.strip()})
    return parts


def _picture(data: bytes | None) -> dict[str, Any] | None:
    if data is None:
        return None
    width, height = dimensions(data)
    kind = next((kind for magic, kind in _SIGNATURES.items() if data.startswith(magic)), "image/png")
    return {
        "src": f"data:{kind};base64,{base64.b64encode(data).decode()}",
        "crisp": max(width, height) < SMALL,
        "shape": f"{width} / {height}",
    }
