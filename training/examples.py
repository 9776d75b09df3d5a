"""Examples of a data set as the tensors that are learned from: the very tokens and pixels that the services ask with.

Pictures are capped and a missing "before" is made white by the same functions of the codec that serving calls. Rows
are read when they are needed (Arrow, mapped from disk), so that a set may be larger than memory.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import torch
from datasets import Dataset, Features, List, Value
from datasets.exceptions import DatasetGenerationError
from PIL import Image
from pydantic import ValidationError

from interleavethinker.chat.qwen import IGNORED, QwenInputs, Row
from interleavethinker.codec import CriticCodec, Message, Pack, PlannerCodec
from interleavethinker.codec.images import blank, cap_pixels, dimensions, planner_images
from interleavethinker.errors import BadRequest
from interleavethinker.types import Brief, ImageRef
from training.data.cards import CARD, SETS, read_card
from training.data.store import KINDS, VALUES, Kind, read_examples, schema
from training.data.values import CriticExample, PlannerExample

Example = PlannerExample | CriticExample
TYPES = {"before": Value("binary"), "after": Value("binary"), "images": List(Value("binary")), "seed": Value("int64")}


def files_of(path: Path, kind: Kind) -> list[Path]:
    """The parquet files of one kind's set: the file itself, or within a directory what `synthesize` calls this set, or
    all there are. Raises BadRequest."""
    if path.is_file():
        return [path]
    for pattern in (f"{SETS[kind]}/*.parquet", f"{kind}*.parquet", "*.parquet"):
        if files := sorted(path.glob(pattern)):
            return files
    raise BadRequest(f"there is no {kind} data set at {path}: make one with `python -m training synthesize`")


class ExampleSet(Sequence[Any]):
    """The examples of one kind by number: planner, critic, or rl. Raises BadRequest for what is none or empty."""

    def __init__(self, path: Path, kind: Kind) -> None:
        self.kind, self.files = kind, files_of(path, kind)
        columns = schema(kind).names
        if all(next(read_examples(file, kind), None) is None for file in self.files):
            raise BadRequest(f"{path} holds no example: nothing can be learned from it")
        features = Features({name: TYPES.get(name, Value("string")) for name in columns})
        names = [str(file) for file in self.files]
        try:
            self._rows = Dataset.from_parquet(names, columns=columns, features=features)
        except DatasetGenerationError as error:
            raise BadRequest(f"{path} cannot be read as {kind} examples: {error.__cause__ or error}") from error

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, number: int) -> Any: ...

    @overload
    def __getitem__(self, number: slice) -> list[Any]: ...

    def __getitem__(self, number: int | slice) -> Any:
        """One example, or a list of them. Raises IndexError past the last, BadRequest for a row that cannot be read."""
        if isinstance(number, slice):
            return [self[one] for one in range(len(self))[number]]
        plain = dict(self._rows[number])
        try:
            values: dict[str, Any] = {
                name: VALUES[name].model_validate_json(value) if name in VALUES else value
                for name, value in plain.items()
            }
        except (ValidationError, TypeError) as error:
            raise BadRequest(f"{self.where(number)} is broken: {str(error).splitlines()[0]}") from error
        if "images" in values:
            values["images"] = tuple(values["images"] or ())
        return KINDS[self.kind](**values)

    def where(self, number: int) -> str:
        """The example's place, for messages."""
        place = self.files[0] if len(self.files) == 1 else self.files[0].parent
        return f"example {number} of {place}"

    def digest(self) -> str:
        """What the set's card says, or the same of the files' digests where there is no card (minutes, if large)."""
        return data_digest(self.files)


def data_digest(files: Sequence[Path]) -> str:
    """The name of this data in a manifest (`training.data.cards`)."""
    directory = files[0].parent
    if (directory / CARD).is_file():
        return read_card(directory).data_digest
    digests = {}
    for file in files:
        with file.open("rb") as stream:
            digests[file.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


@dataclass
class Rows:
    """Says examples as the services do."""

    inputs: QwenInputs
    pack: Pack

    def asked(self, example: Example) -> tuple[list[Message[bytes]], str]:
        """The question's messages and the answer. Raises BadRequest for what cannot be asked or answered."""
        try:
            if isinstance(example, PlannerExample):
                codec = PlannerCodec(self.pack)
                return codec.messages(brief(example), planner_images(example.images, self.pack.images)), codec.write(
                    example.plan
                )
            critic, pixels = CriticCodec(self.pack), self.pack.images.max_pixels
            after = cap_pixels(example.after, pixels)
            before = blank(*dimensions(after)) if example.before is None else cap_pixels(example.before, pixels)
            messages = critic.messages(example.prompt, example.last_prompt, before, after)
            return messages, critic.write(example.verdict, example.last_prompt)
        except ValueError as error:  # an abstention, or more markers than images
            raise BadRequest(str(error).replace("\n", " ")) from error

    def row(self, example: Example) -> Row:
        """Tensors (1, tokens) with labels; only the answer is learned. Raises BadRequest."""
        return self.inputs.example(*self.asked(example))

    def with_picture(self, row: Row) -> Row:
        """The row with a small white picture after its end, which nothing looks at and nobody learns.

        Where weights are spread over devices, each layer's pieces are gathered by all of them together: a device whose
        batch has no picture would not come to the vision tower, and the others would wait for it forever.
        """
        picture = self.inputs.processor.image_processor(
            images=[Image.new("RGB", (32, 32), "white")], return_tensors="pt"
        )
        ids = self.inputs.tokenizer.convert_tokens_to_ids
        pads = int(picture["image_grid_thw"].prod()) // self.inputs.processor.image_processor.merge_size**2
        start, pad, end = (ids(f"<|{name}|>") for name in ("vision_start", "image_pad", "vision_end"))
        more = torch.tensor([[start, *[pad] * pads, end]])
        added = {
            "input_ids": more,
            "attention_mask": torch.ones_like(more),
            "mm_token_type_ids": (more == pad).long(),
            "labels": torch.full_like(more, IGNORED),
        }
        joined = {name: torch.cat([row[name], added[name].to(row[name].dtype)], dim=1) for name in added}
        return joined | {name: picture[name] for name in ("pixel_values", "image_grid_thw")}


def brief(example: PlannerExample) -> Brief:
    """The example's question as the planner service gets it."""
    names = []
    for image in example.images:
        width, height = dimensions(image)
        names.append(ImageRef(digest=hashlib.sha256(image).hexdigest(), width=width, height=height))
    return Brief(prompt=example.prompt, images=tuple(names))


@dataclass
class Collator:
    """Places of examples (`of`: which set, `number`) -> a batch. An example that is too long or broken is said and
    stepped over: the next sound one takes its place, so that one bad row in a hundred thousand ends no run of days."""

    sets: tuple[ExampleSet, ...]
    rows: Rows
    max_tokens: int
    always_pictures: bool = False

    def __call__(self, places: Sequence[dict[str, int]]) -> Row:
        made = [self._sound(self.sets[place["of"]], place["number"]) for place in places]
        if self.always_pictures and not any("pixel_values" in row for row in made):
            made[0] = self.rows.with_picture(made[0])
        return self.rows.inputs.batch(made)

    def _sound(self, examples: ExampleSet, number: int) -> Row:
        for step in range(len(examples)):
            at = (number + step) % len(examples)
            try:
                row = self.rows.row(examples[at])
                if (length := row["input_ids"].shape[1]) <= self.max_tokens:
                    return row
                reason = f"it has {length} tokens, max_tokens is {self.max_tokens}"
            except BadRequest as error:
                reason = str(error)
            print(f"[data] {examples.where(at)} is left out: {reason}", file=sys.stderr, flush=True)
        raise BadRequest(f"no example is sound and within max_tokens = {self.max_tokens}")


def places(of: int, count: int) -> Dataset:
    """The numbers 0 .. count - 1 of a set, as TRL takes them: nothing is stored, the collator reads."""
    return Dataset.from_dict({"of": [of] * count, "number": list(range(count))})
