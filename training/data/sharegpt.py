"""SFT sets as sharegpt JSON with a dataset_info.json, as LLaMA-Factory reads them, and back.

Each row has `messages` (role, content with `<image>`) and `images` (paths beside the file), said through the codec with
one prompt pack: what is trained there is what is served here. Our own columns (`prompt`, `task`, ...) let a row be read
back and its pack be checked; LLaMA-Factory passes over columns that dataset_info.json does not name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from interleavethinker.codec import CriticCodec, ImagePart, Message, PlannerCodec, load_pack
from interleavethinker.errors import BadRequest, Malformed
from interleavethinker.types import IMAGE_MARKER, Brief, ImageRef
from training.data.pictures import PictureFiles, get, get_before
from training.data.values import CriticExample, PlannerExample

Kind = Literal["planner", "critic"]
NAMES: dict[str, str] = {"planner": "interleave_planner_sft", "critic": "interleave_critic_sft"}
INFO = "dataset_info.json"
_COLUMNS = {"messages": "messages", "images": "images"}
_TAGS = {
    "role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
    "system_tag": "system",
}  # fmt: skip
E = TypeVar("E", PlannerExample, CriticExample)


class Sharegpt:
    """Says and reads rows with one pack."""

    def __init__(self, pack: str) -> None:
        self.pack = load_pack(pack)
        self._planner, self._critic = PlannerCodec(self.pack), CriticCodec(self.pack)

    def write(self, out: Path, kind: Kind, examples: Iterable[PlannerExample | CriticExample]) -> int:
        """<name>.json, images/ and its entry in dataset_info.json; the number of rows."""
        files, name = PictureFiles(out), NAMES[kind]
        count, temporary = 0, out / f"{name}.json.new"
        with temporary.open("w", encoding="utf-8") as file:
            file.write("[")
            for example in examples:
                row = self._row(files, example)
                file.write((",\n" if count else "\n") + json.dumps(row, ensure_ascii=False))
                count += 1
            file.write("\n]\n")
        temporary.replace(out / f"{name}.json")
        _register(out, name)
        return count

    def read(self, out: Path, kind: Kind) -> Iterator[PlannerExample | CriticExample]:
        """The rows of a directory that `write` filled. Raises BadRequest, naming the row, where one is broken, an image
        is missing, or the pack is another one."""
        path = out / f"{NAMES[kind]}.json"
        if not path.is_file():
            raise BadRequest(f"there is no {path}: write it with `python -m training convert`")
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BadRequest(f"{path} is no JSON: {error}") from error
        for number, row in enumerate(rows):
            where = f"{path}, row {number}"
            try:
                example = (
                    self._planner_example(out, row, where) if kind == "planner" else self._verdict(out, row, where)
                )
                same = self._said(example) == row["messages"]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise BadRequest(f"{where} is broken: {type(error).__name__}: {error}") from error
            except Malformed as error:
                raise BadRequest(f"{where}: its answer cannot be read: {error.detail}") from error
            if not same:
                raise BadRequest(f"{where} was said with another prompt pack than {self.pack.name!r}: give --pack")
            yield example

    def _row(self, files: PictureFiles, example: PlannerExample | CriticExample) -> dict[str, Any]:
        row: dict[str, Any] = {"messages": self._said(example)}
        if isinstance(example, PlannerExample):
            row["images"] = [files.put(image) for image in example.images]
            return row | {"prompt": example.prompt, "task": example.task, "source": example.source}
        row["images"] = [files.put_before(example.before, example.after), files.put(example.after)]
        return row | {"prompt": example.prompt, "last_prompt": example.last_prompt, "source": example.source}

    def _said(self, example: PlannerExample | CriticExample) -> list[dict[str, str]]:
        if isinstance(example, PlannerExample):
            question = self._planner.messages(brief_of(example), example.images)
            answer = self._planner.write(example.plan)
        else:
            question = self._critic.messages(example.prompt, example.last_prompt, b"", b"")
            answer = self._critic.write(example.verdict, example.last_prompt)
        return [*map(_content, question), {"role": "assistant", "content": answer}]

    def _planner_example(self, out: Path, row: Any, where: str) -> PlannerExample:
        images = tuple(get(out, name, where) for name in row["images"])
        plan = self._planner.read(row["messages"][-1]["content"])
        return PlannerExample(row["prompt"], images, plan, row["task"], row["source"])

    def _verdict(self, out: Path, row: Any, where: str) -> CriticExample:
        before, after = row["images"]
        verdict = self._critic.read(row["messages"][-1]["content"])
        pictures = get_before(out, before, where), get(out, after, where)
        return CriticExample(row["prompt"], row["last_prompt"], *pictures, verdict, row["source"])


def brief_of(example: PlannerExample) -> Brief:
    """The example's brief, its pictures under stand-in names. Raises ValueError when markers and pictures do not
    fit."""
    names = tuple(ImageRef(digest=f"{number:064x}", width=1, height=1) for number in range(len(example.images)))
    return Brief(prompt=example.prompt, images=names)


def _content(message: Message[bytes]) -> dict[str, str]:
    said: Sequence[str] = [
        IMAGE_MARKER if isinstance(part, ImagePart) else part.text for part in message.parts
    ]  # the codec took every marker out of the texts, so that each that is left is a picture
    return {"role": message.role, "content": "".join(said)}


def _register(out: Path, name: str) -> None:
    path = out / INFO
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known[name] = {"file_name": f"{name}.json", "formatting": "sharegpt", "columns": _COLUMNS, "tags": _TAGS}
    path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
