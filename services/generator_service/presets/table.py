"""The presets as a Markdown table: `python -m services.generator_service presets` prints it, docs/models.md has it."""

from __future__ import annotations

import json
from typing import Any

from services.generator_service.backends.shapes import SHAPES
from services.generator_service.presets import ImagePreset, presets

HEAD = (
    "preset", "model", "commit", "pipeline", "draws from text", "edits", "references", "call", "weights", "memory",
    "licence", "commercial use",
)  # fmt: skip


def table() -> str:
    rows = [HEAD, ("---",) * len(HEAD), *(_row(each) for each in presets().values())]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _row(each: ImagePreset) -> tuple[str, ...]:
    edits = each.edits_by or each.pipeline
    shape = SHAPES[edits]
    call = _said(each.call) + (f"; edits: {_said(each.edit_call)}" if each.edit_call else "")
    return (
        f"`{each.name}`",
        each.model + (f" + {each.partner}" if each.partner else ""),
        f"`{each.commit[:12]}`" if each.commit else "yours to name",
        each.pipeline,
        each.draws_by or "itself",
        each.edits_by or "itself",
        f"up to {shape.most}" if shape.most and shape.most > 1 else "1",
        call,
        f"{each.weights_gb:.0f} GB",
        f"{each.memory_gb:.0f} GB",
        each.licence + (", asks for consent" if each.gated else ""),
        each.commercial,
    )


def _said(call: dict[str, Any]) -> str:
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in call.items())
