"""What a measurement keeps on disk: one file for each thing done, so that what was cut off goes on where it stopped.

A file is there whole or not at all (written beside its place, then renamed).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from interleavethinker.errors import BadRequest

_LONGEST = 120


def filed(name: str) -> str:
    """The name as a file's: different names stay different."""
    plain = quote(name, safe=" +,=@").replace(".", "%2E")
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def read(path: Path) -> dict[str, Any] | None:
    """The object in the file; None where there is none, or one that a disk has damaged."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def write(path: Path, value: Any) -> None:
    put(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.replace(path)


def opened(out: Path, settings: dict[str, Any], *, resume: bool) -> None:
    """Make the folder this measurement's. Raises BadRequest where it holds another one, or an earlier part of this one
    and `resume` was not asked for."""
    before = read(out / "settings.json")
    if before is None and out.is_dir() and any(out.iterdir()):
        raise BadRequest(f"--out {out} is not empty and holds no measurement: name a new folder")
    if before is not None and not resume:
        raise BadRequest(
            f"--out {out} holds an earlier measurement: add --resume to go on with it, or name a new folder"
        )
    before = before or {}
    if other := sorted(name for name in before.keys() & settings.keys() if before[name] != settings[name]):
        told = ", ".join(f"{name} (was {str(before[name])[:80]})" for name in other)
        raise BadRequest(f"--resume: {out} was begun with other settings: {told}; give the same, or name a new folder")
    write(out / "settings.json", before | settings)
