"""A checkpoint directory's manifest: what it is, what it was made from, and how good it is.

Reads and writes `manifest.json`; the weights beside it are the model libraries' own business.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field, ValidationError

from interleavethinker.errors import BadCheckpoint
from interleavethinker.types import Digest, Value

MANIFEST = "manifest.json"


class Metric(Value):
    """A held-out number: its value, the 95% interval, and the number of cases behind it."""

    value: float
    low: float
    high: float
    n: int = Field(ge=1)


class Manifest(Value):
    """The facts of one checkpoint. `files` are SHA-256 digests by path relative to the directory."""

    kind: Literal["planner", "critic", "generator"]
    name: str
    base: str = Field(description="the recipe or model that it was trained from")
    pack: str | None = Field(default=None, description="the prompt pack that a language model was trained on")
    pack_digest: Digest | None = None
    data_digest: Digest | None = Field(default=None, description="digest of the training data")
    seed: int | None = None
    metrics: dict[str, Metric] = {}
    files: dict[str, Digest] = {}
    licence: str = "Apache-2.0"


class Pack(Protocol):
    """What a manifest asks of a prompt pack (codec.load_pack gives one)."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...


def read_manifest(directory: str | Path) -> Manifest | None:
    """The directory's manifest, None where it has none. Raises BadCheckpoint when it cannot be read."""
    path = Path(directory) / MANIFEST
    if not path.is_file():
        return None
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BadCheckpoint(f"{path} cannot be read: {error}") from error


def write_manifest(directory: str | Path, manifest: Manifest) -> None:
    """Write the manifest, indented, with a final newline: it is read by people in diffs."""
    (Path(directory) / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def file_digests(directory: str | Path) -> dict[str, str]:
    """SHA-256 of every file in the directory but the manifest, by relative path: what `Manifest.files` holds."""
    root = Path(directory)
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def check_files(manifest: Manifest, directory: str | Path) -> None:
    """Raises BadCheckpoint when a file that the manifest names is missing or another one."""
    found = file_digests(directory)
    for name, digest in manifest.files.items():
        if found.get(name) != digest:
            state = "is not the file that was written" if name in found else "is missing"
            raise BadCheckpoint(f"{Path(directory) / name} {state}: fetch the checkpoint {manifest.name} again")


def check_pack(manifest: Manifest, pack: Pack) -> None:
    """Raises BadCheckpoint when the model was trained on other prompts than it would be served with."""
    if manifest.pack_digest is not None and manifest.pack_digest != pack.digest:
        raise BadCheckpoint(
            f"{manifest.name} was trained on prompt pack {manifest.pack!r} with digest {manifest.pack_digest}, but is "
            f"served with {pack.name!r}, digest {pack.digest}: give the service the pack that it was trained on",
            trained_on=manifest.pack_digest,
            served_with=pack.digest,
        )
