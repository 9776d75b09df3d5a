"""Image models by name: what to load, how to call it, what it needs. One TOML file each.

A commit stands in a preset only where public sources agree on it; elsewhere the deployer says which one was looked at.
Not here: how a pipeline class takes references (`backends/shapes.py`), and loading.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from interleavethinker.errors import BadSettings

_HOME = Path(__file__).parent


class ImagePreset(BaseModel):
    """One model. `parameters`: billions of weights by component; `call`: arguments of every call, `edit_call`: of an
    edit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    model: str
    commit: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    partner: str | None = None
    pipeline: str = Field(description="the class that model_index.json names")
    edits_by: str | None = Field(default=None, description="the class that edits, where it is another one")
    draws_by: str | None = Field(default=None, description="the class that draws from text, where it is another one")
    call: dict[str, Any] = {}
    edit_call: dict[str, Any] = {}
    licence: str
    gated: bool = False
    commercial: Literal["yes", "no", "with terms"]
    parameters: dict[str, float]
    activations_gb: float = Field(description="GB beside the weights for one 1024 x 1024 edit, an estimate")
    note: str = ""
    draw_seconds: float | None = Field(default=None, description="published seconds of one 1024 px drawing")
    measured_on: str = ""

    @property
    def weights_gb(self) -> float:
        """In BF16: two bytes a weight."""
        return 2 * sum(self.parameters.values())

    @property
    def memory_gb(self) -> float:
        return self.weights_gb + self.activations_gb


@cache
def presets() -> dict[str, ImagePreset]:
    """All, by name."""
    found = {}
    for path in sorted(_HOME.glob("*.toml")):
        found[path.stem] = ImagePreset(name=path.stem, **tomllib.loads(path.read_text(encoding="utf-8")))
    return found


def preset(name: str) -> ImagePreset:
    """Raises BadSettings for a name that is none."""
    if name not in presets():
        raise BadSettings(f"generator.preset is {name!r}: write one of {', '.join(presets())}")
    return presets()[name]
