"""Looks a data set over before anything long is started with it: one clear line for the first thing that is wrong.

A set is a directory with a card, or the directory that holds all three. Whether the examples are good is not judged
here; `inspect` shows them to a person.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

from interleavethinker.codec import CriticCodec, PlannerCodec, load_pack
from interleavethinker.errors import BadRequest
from interleavethinker.types import IMAGE_MARKER, Outcome
from training.data.cards import CARD, SETS, Card, check_files, read_card
from training.data.sharegpt import brief_of
from training.data.store import Kind, read_examples
from training.data.values import CriticExample, PlannerExample, RlExample


def find_sets(path: Path) -> dict[Kind, Path]:
    """The sets at this path, by kind. Raises BadRequest when there is none."""
    if (path / CARD).is_file():
        kind: Any = read_card(path).kind
        if kind not in SETS:
            raise BadRequest(f"{path / CARD}: {kind!r} is no kind of set: planner, critic and rl are")
        return {kind: path}
    kinds: tuple[Kind, ...] = ("planner", "critic", "rl")
    found = {kind: path / SETS[kind] for kind in kinds if (path / SETS[kind] / CARD).is_file()}
    if not found:
        raise BadRequest(f"there is no data set at {path}: make one with `python -m training synthesize`")
    return found


def check(path: Path, pack: str | None = None) -> dict[Kind, Card]:
    """Read every row of the sets at this path; their cards. Raises BadRequest at the first thing that is wrong.

    With a `pack` also that every row can be said with it, in that many images."""
    codecs = _codecs(pack) if pack else None
    cards: dict[Kind, Card] = {}
    for kind, directory in find_sets(path).items():
        card = read_card(directory)
        check_files(directory, card)
        rows = 0
        for number, example in enumerate(read_examples(directory, kind)):
            where = f"{directory}, row {number}"
            check_example(example, where)
            if codecs:
                _say(example, where, *codecs)
            rows += 1
        if rows != card.rows or not rows:
            raise BadRequest(f"{directory} holds {rows} rows, its card says {card.rows}: make the set again")
        cards[kind] = card
    return cards


def check_example(example: PlannerExample | CriticExample | RlExample, where: str) -> None:
    """Raises BadRequest, with `where` in front, for a row that nothing can be learned from."""
    if not example.prompt.strip():
        raise BadRequest(f"{where}: the prompt is empty")
    if isinstance(example, PlannerExample):
        if (markers := example.prompt.count(IMAGE_MARKER)) > len(example.images):
            raise BadRequest(f"{where}: {markers} {IMAGE_MARKER} markers, but {len(example.images)} images")
        for image in example.images:
            _decode(image, where)
        return
    if not example.last_prompt.strip():
        raise BadRequest(f"{where}: the last prompt is empty")
    if isinstance(example, CriticExample) and example.verdict.outcome is Outcome.ABSTAIN:
        raise BadRequest(f"{where}: the verdict is an abstention, which no model is taught")
    _decode(example.after, where)
    if example.before is not None:
        _decode(example.before, where)


def _decode(data: bytes, where: str) -> None:
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise BadRequest(f"{where}: an image is missing or cannot be read ({error})") from error


def _codecs(pack: str) -> tuple[PlannerCodec, CriticCodec]:
    loaded = load_pack(pack)
    return PlannerCodec(loaded), CriticCodec(loaded)


def _say(
    example: PlannerExample | CriticExample | RlExample, where: str, planner: PlannerCodec, critic: CriticCodec
) -> None:
    try:
        if isinstance(example, PlannerExample):
            planner.messages(brief_of(example), example.images)
            planner.read(planner.write(example.plan))
        else:
            critic.messages(example.prompt, example.last_prompt, b"", b"")
            if isinstance(example, CriticExample):
                critic.read(critic.write(example.verdict, example.last_prompt))
    except Exception as error:  # whatever the codec refuses, the reader wants to know in which row
        raise BadRequest(f"{where}: the prompt pack cannot say it: {error}") from error
