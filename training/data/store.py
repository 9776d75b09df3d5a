"""Rows as Parquet files and back, images inside. A file is written whole or not at all.

Texts and images are columns of their own; plans, verdicts and scores are JSON in one column each, so that any reader
of Parquet understands them. Raises BadRequest with one line when a file does not hold what it should.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from interleavethinker.errors import BadRequest
from interleavethinker.types import Plan, Value, Verdict
from training.data.values import AttemptRecord, CriticExample, PlannerExample, RlExample
from training.judge import Scores

Row = AttemptRecord | PlannerExample | CriticExample | RlExample
Kind = Literal["attempts", "planner", "critic", "rl"]
KINDS: dict[str, type[Row]] = {
    "attempts": AttemptRecord,
    "planner": PlannerExample,
    "critic": CriticExample,
    "rl": RlExample,
}
MOST_BYTES = 1 << 28
"""Pictures of one row group at most: what writing and reading hold in memory, however large the set."""
VALUES: dict[str, type[Value]] = {"scores": Scores, "verdict": Verdict, "plan": Plan}
_TYPES = {
    "before": pa.binary(), "after": pa.binary(), "images": pa.list_(pa.binary()),
    "step": pa.int64(), "number": pa.int64(), "seed": pa.int64(),
}  # fmt: skip


def schema(kind: Kind) -> pa.Schema:
    """The columns of a kind of row."""
    return pa.schema([(field.name, _TYPES.get(field.name, pa.string())) for field in dataclasses.fields(KINDS[kind])])


def write_examples(path: Path, rows: Iterable[Row], kind: Kind, *, chunk: int = 1000) -> int:
    """Write the rows and return how many there were."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, count, columns = path.with_name(path.name + ".new"), 0, schema(kind)
    with pq.ParquetWriter(temporary, columns) as writer:
        for part in _chunks(rows, chunk):
            writer.write_table(pa.Table.from_pylist([_plain(row) for row in part], columns))
            count += len(part)
    temporary.replace(path)
    return count


def read_examples(path: Path, kind: Kind) -> Iterator[Any]:
    """The rows of one file, or of all of a directory's *.parquet in the order of their names."""
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise BadRequest(f"there is no data set at {path}: make one with `python -m training synthesize`")
    for file in files:
        try:
            table = pq.ParquetFile(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise BadRequest(f"{file} is no whole Parquet file: make it again ({error})") from error
        missing = set(schema(kind).names) - set(table.schema_arrow.names)
        if missing:
            raise BadRequest(f"{file} holds no {kind} rows: the columns {sorted(missing)} are missing")
        number = 0
        for batch in table.iter_batches(64, columns=schema(kind).names):
            for plain in batch.to_pylist():
                yield _row(plain, kind, f"{file}, row {number}")
                number += 1


def count_rows(path: Path) -> int:
    """How many rows a file has, by its footer."""
    return int(pq.ParquetFile(path).metadata.num_rows)


def write_attempts(path: Path, records: Iterable[AttemptRecord]) -> int:
    return write_examples(path, records, "attempts")


def read_attempts(path: Path) -> list[AttemptRecord]:
    return list(read_examples(path, "attempts"))


def _chunks(rows: Iterable[Row], size: int) -> Iterator[Sequence[Row]]:
    part: list[Row] = []
    weight = 0
    for row in rows:
        part.append(row)
        weight += _pictures(row)
        if len(part) == size or weight >= MOST_BYTES:
            yield part
            part, weight = [], 0
    if part:
        yield part


def _pictures(row: Row) -> int:
    """Bytes of the row's pictures."""
    held = (getattr(row, field.name) for field in dataclasses.fields(row))
    return sum(
        len(value) if isinstance(value, bytes) else sum(map(len, value))
        for value in held
        if isinstance(value, bytes) or (isinstance(value, tuple) and value)
    )


def _plain(row: Row) -> dict[str, Any]:
    fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    return {name: value.canonical() if isinstance(value, Value) else value for name, value in fields.items()}


def _row(plain: dict[str, Any], kind: Kind, where: str) -> Row:
    try:
        values: dict[str, Any] = {
            name: VALUES[name].model_validate_json(value) if name in VALUES else value for name, value in plain.items()
        }
    except (ValidationError, TypeError) as error:
        raise BadRequest(f"{where} is broken: {str(error).splitlines()[0]}") from error
    if "images" in values:
        values["images"] = tuple(values["images"])
    if "after" in values and not values["after"]:
        raise BadRequest(f"{where} has no picture after")
    return KINDS[kind](**values)
