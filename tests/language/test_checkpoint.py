"""Manifests: read back as written, and refused where the checkpoint does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from interleavethinker.checkpoint import (
    Manifest,
    Metric,
    check_files,
    check_pack,
    file_digests,
    read_manifest,
    write_manifest,
)
from interleavethinker.errors import BadCheckpoint


class Pack(NamedTuple):
    name: str
    digest: str


MANIFEST = Manifest(
    kind="critic",
    name="smallworld-critic",
    base="training/recipes/critic.toml",
    pack="compact",
    pack_digest="a" * 64,
    metrics={"balanced_accuracy": Metric(value=0.9, low=0.86, high=0.93, n=300)},
)


def test_a_manifest_is_read_back_as_written(tmp_path: Path):
    assert read_manifest(tmp_path) is None
    write_manifest(tmp_path, MANIFEST)
    assert read_manifest(tmp_path) == MANIFEST


def test_an_unreadable_manifest_is_told_by_path(tmp_path: Path):
    (tmp_path / "manifest.json").write_text('{"kind": "painter"}')
    with pytest.raises(BadCheckpoint, match=r"manifest\.json"):
        read_manifest(tmp_path)


def test_another_pack_is_refused_with_both_digests():
    check_pack(MANIFEST, Pack("compact", "a" * 64))
    check_pack(MANIFEST.model_copy(update={"pack_digest": None}), Pack("standard", "b" * 64))
    with pytest.raises(BadCheckpoint) as error:
        check_pack(MANIFEST, Pack("standard", "b" * 64))
    assert "a" * 64 in error.value.detail
    assert "b" * 64 in error.value.detail


def test_changed_and_missing_files_are_told(tmp_path: Path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "weights").write_bytes(b"1")
    manifest = MANIFEST.model_copy(update={"files": file_digests(tmp_path)})
    write_manifest(tmp_path, manifest)
    check_files(manifest, tmp_path)
    assert list(manifest.files) == ["unet/weights"]
    (tmp_path / "unet" / "weights").write_bytes(b"2")
    with pytest.raises(BadCheckpoint, match="not the file"):
        check_files(manifest, tmp_path)
    (tmp_path / "unet" / "weights").unlink()
    with pytest.raises(BadCheckpoint, match="missing"):
        check_files(manifest, tmp_path)
