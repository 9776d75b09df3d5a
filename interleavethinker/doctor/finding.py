"""One thing that was looked at: what was found, and what to do where it is wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Finding(BaseModel):
    """`note`: worth knowing, and nothing to mend. `fix` says what to do; a wrong one always has it."""

    model_config = ConfigDict(frozen=True)
    about: str
    level: Literal["ok", "note", "wrong"]
    found: str
    fix: str = ""


def ok(about: str, found: str) -> Finding:
    return Finding(about=about, level="ok", found=found)


def note(about: str, found: str, fix: str = "") -> Finding:
    return Finding(about=about, level="note", found=found, fix=fix)


def wrong(about: str, found: str, fix: str) -> Finding:
    return Finding(about=about, level="wrong", found=found, fix=fix)
