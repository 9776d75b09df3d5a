"""Planners and critics by name: what `vllm serve` is to serve, with which prompt pack it is asked, what it needs.

One TOML file each. Where a model was trained on prompts that are not ours, `pack` is left out: the deployer says it.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from interleavethinker.errors import BadSettings

_HOME = Path(__file__).parent
KV_BYTES = 2 * 36 * 8 * 128 * 2
"""Of one token of Qwen3-VL-8B: keys and values, 36 layers, 8 heads of 128, BF16."""


class ChatPreset(BaseModel):
    """One model. `weights_gb`: as it is served; `roles`: sections that may name it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    roles: tuple[Literal["planner", "critic"], ...]
    model: str
    commit: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    pack: str | None = None
    weights_gb: float
    max_model_len: int = 20480
    licence: str
    note: str = ""

    @property
    def serve(self) -> str:
        """The command that serves it, all of one GPU."""
        revision = f" --revision {self.commit}" if self.commit else ""
        return (
            f"vllm serve {self.model}{revision} --max-model-len {self.max_model_len} --gpu-memory-utilization 0.90 "
            """--limit-mm-per-prompt '{"image": 8, "video": 0}' --enable-prefix-caching"""
        )

    def values(self, section: str, said: dict[str, Any]) -> dict[str, Any]:
        """The settings that it stands for. Raises BadSettings for another section, and for a pack that is missing."""
        if section not in self.roles:
            raise BadSettings(f"{section}.preset is {self.name!r}, a {' and '.join(self.roles)}")
        if not (self.pack or said.get("pack")):
            raise BadSettings(
                f"{section}.preset is {self.name!r}, which was trained on prompts that do not come with this software: "
                f"set {section}.pack to the directory of a prompt pack with them (docs/models.md)"
            )
        return {"backend": "openai", "model": self.model} | ({"pack": self.pack} if self.pack else {})


@cache
def presets() -> dict[str, ChatPreset]:
    """All, by name."""
    return {
        path.stem: ChatPreset(name=path.stem, **tomllib.loads(path.read_text(encoding="utf-8")))
        for path in sorted(_HOME.glob("*.toml"))
    }


def preset(section: str, name: str) -> ChatPreset:
    """Raises BadSettings for a name that is none."""
    if name not in presets():
        raise BadSettings(f"{section}.preset is {name!r}: write one of {', '.join(presets())}")
    return presets()[name]


def table() -> str:
    """All of them in Markdown, as docs/models.md has it."""
    rows = [
        "| preset | for | model | commit | prompt pack | weights | licence |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in presets().values():
        commit = f"`{each.commit[:12]}`" if each.commit else "yours to name"
        pack = f"`{each.pack}`" if each.pack else "yours, by its directory"
        rows.append(
            f"| `{each.name}` | {' and '.join(each.roles)} | {each.model} | {commit} | {pack} | "
            f"{each.weights_gb:.0f} GB | {each.licence} |"
        )
    return "\n".join(rows)
