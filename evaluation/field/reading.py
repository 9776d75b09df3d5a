"""Reads a benchmark's files: rows of JSON, JSON lines or Parquet, and the pictures that they name. What is wrong with
one is said in one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.field.items import Item
from interleavethinker.errors import BadRequest

Found = dict[str, Any]


def rows(path: Path) -> list[Found]:
    """The objects of a .json list, a .jsonl or a .parquet, or of all such files right under a folder, in the order of
    their names. Raises BadRequest."""
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.suffix in (".json", ".jsonl", ".parquet"))
        if not files:
            raise BadRequest(f"--input {path} holds no .json, .jsonl or .parquet file")
        return [row for file in files for row in rows(file)]
    if not path.is_file():
        raise BadRequest(f"--input {path} is not there: docs/benchmarks.md says where each data set comes from")
    if path.suffix == ".parquet":
        return _parquet(path)
    if path.suffix == ".jsonl":
        lines = [line for line in _text(path).splitlines() if line.strip()]
        return [_object(path, f"line {number}", _json(path, line)) for number, line in enumerate(lines, 1)]
    told = _json(path, _text(path))
    if not isinstance(told, list):
        raise BadRequest(f"{path} must hold a JSON list of objects")
    return [_object(path, f"entry {number}", row) for number, row in enumerate(told, 1)]


def one(path: Path) -> Found:
    """The object of a .json. Raises BadRequest."""
    return _object(path, "the file", _json(path, _text(path)))


def wanted(row: Mapping[str, Any], fields: Mapping[str, type | tuple[type, ...]], where: str) -> None:
    """Raises BadRequest unless the row has these fields, of these types."""
    for name, kind in fields.items():
        if name not in row:
            raise BadRequest(f"{where} has no {name!r}; it has {', '.join(map(str, row)) or 'nothing'}")
        if not isinstance(row[name], kind):
            raise BadRequest(f"{where}: {name!r} is of the wrong type, got {str(row[name])[:60]!r}")


def picture(folder: Path, name: str, where: str) -> Path:
    """The picture of this name under the folder. Raises BadRequest where there is none."""
    found = folder / name
    if not found.is_file():
        raise BadRequest(f"{where} names the picture {name}, which is not under {folder}")
    return found


def distinct(items: Iterable[Item], path: Path) -> list[Item]:
    """The items. Raises BadRequest where there are none, or two with one id."""
    found: Sequence[Item] = list(items)
    if not found:
        raise BadRequest(f"--input {path} holds no question of this benchmark")
    seen: set[str] = set()
    for item in found:
        if item.id in seen:
            raise BadRequest(
                f"--input {path} has the id {item.id!r} twice: name one file of the set, not two of its copies"
            )
        seen.add(item.id)
    return list(found)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadRequest(f"{path} is not UTF-8 text: is it the data set's file, unpacked?") from None


def _parquet(path: Path) -> list[Found]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise BadRequest(f"to read {path}: pip install pyarrow, or save the set as .jsonl") from None
    try:
        return list(pyarrow.parquet.read_table(path).to_pylist())
    except pyarrow.ArrowInvalid as error:
        raise BadRequest(f"{path} is not Parquet: {error}") from None


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadRequest(f"{path} is not JSON: {error}") from None


def _object(path: Path, where: str, value: Any) -> Found:
    if not isinstance(value, dict):
        raise BadRequest(f"{path}: {where} is not an object")
    return value
