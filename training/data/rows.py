"""The RL rows of paper.md section 3, as JSON lines with image files beside them, and back.

A row: origin_prompt, rewritten_prompt, origin_image_path, edited_image_path, evaluation {success, semantics, quality};
and, ours, the seed of the drawing and where it came from. A step without a picture before gets a white one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from interleavethinker.errors import BadRequest
from training.data.pictures import PictureFiles, get, get_before
from training.data.values import RlExample
from training.judge import Scores

FILE = "rl.jsonl"


class Evaluation(BaseModel):
    """Scores from 0 to 10."""

    success: bool
    semantics: Annotated[float, Field(ge=0, le=10)]
    quality: Annotated[float, Field(ge=0, le=10)]


class RlRow(BaseModel):
    """One row. Fields that others added are passed over."""

    model_config = ConfigDict(extra="ignore")
    origin_prompt: str = Field(min_length=1)
    rewritten_prompt: str = Field(min_length=1)
    origin_image_path: str
    edited_image_path: str
    evaluation: Evaluation
    seed: int = 0
    source: str = ""


def write_rl_rows(out: Path, examples: Iterable[RlExample]) -> int:
    """rl.jsonl and images/ in `out`; the number of rows."""
    files = PictureFiles(out)
    count = 0
    temporary = out / f"{FILE}.new"
    with temporary.open("w", encoding="utf-8") as file:
        for example in examples:
            row = RlRow(
                origin_prompt=example.prompt,
                rewritten_prompt=example.last_prompt,
                origin_image_path=files.put_before(example.before, example.after),
                edited_image_path=files.put(example.after),
                evaluation=Evaluation(**example.scores.model_dump()),
                seed=example.seed,
                source=example.source,
            )
            file.write(row.model_dump_json() + "\n")
            count += 1
    temporary.replace(out / FILE)
    return count


def read_rl_rows(path: Path) -> Iterator[RlExample]:
    """The rows of a directory that `write_rl_rows` filled, or of any .jsonl like it. Raises BadRequest, naming the
    row."""
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise BadRequest(f"there is no {file}: write RL rows with `python -m training convert`")
    for where, row in json_lines(file):
        try:
            said = RlRow.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            raise BadRequest(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        yield RlExample(
            said.origin_prompt,
            said.rewritten_prompt,
            get_before(file.parent, said.origin_image_path, where),
            get(file.parent, said.edited_image_path, where),
            Scores(**said.evaluation.model_dump()),
            said.seed,
            said.source,
        )


def json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Each line's value with where it stands. Raises BadRequest for a line that is no JSON."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}, line {number}"
            try:
                yield where, json.loads(line)
            except ValueError as error:
                raise BadRequest(f"{where} is no JSON: {error}") from error
