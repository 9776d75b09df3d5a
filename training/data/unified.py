"""Finished trajectories as training text for unified models, which plan, draw and look themselves (paper section 3).

Two forms. `easy`: for each step a thought, what is drawn, the picture and its words. `reflection`: the rejected
attempts stay in, each followed by what the critic said. Pictures stand as `<image>`; their files are listed in order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from interleavethinker.codec import clean
from interleavethinker.document import Document
from interleavethinker.errors import BadRequest
from interleavethinker.types import IMAGE_MARKER, Outcome
from training.data.pictures import PictureFiles, get
from training.data.rows import json_lines

Form = Literal["easy", "reflection"]
FILES: dict[str, str] = {"easy": "unified_easy.jsonl", "reflection": "unified_reflection.jsonl"}
_TAGS = ("gthink", "plan", "info", "critic")
_OURS = re.compile(rf"</?(?:{'|'.join(_TAGS)})>")
_STEP = re.compile(
    r"<gthink>(?P<thought>.*?)</gthink>(?P<tries>(?:<plan>.*?</plan><image>(?:<critic>.*?</critic>)?)+)"
    r"<info>(?P<text>.*?)</info>",
    re.DOTALL,
)
_TRY = re.compile(r"<plan>(?P<prompt>.*?)</plan><image>(?:<critic>(?P<critic>.*?)</critic>)?", re.DOTALL)


@dataclass(frozen=True)
class Try:
    """One attempt: what it was drawn from, the picture, and the critic's words if it was rejected."""

    prompt: str
    picture: bytes
    critic: str | None = None


@dataclass(frozen=True)
class ToldStep:
    """`tries` ends with the one that was kept."""

    thought: str
    tries: tuple[Try, ...]
    text: str


@dataclass(frozen=True)
class Telling:
    """A request with its pictures, and the steps that answer it."""

    request: str
    given: tuple[bytes, ...]
    steps: tuple[ToldStep, ...]


def telling(document: Document, pictures: dict[str, bytes]) -> Telling | None:
    """A document as a telling; None unless every step was drawn and accepted. `pictures` by digest."""
    told: list[ToldStep] = []
    for number, entry in enumerate(document.steps, start=1):
        if not entry.finished or entry.accepted is not True or not entry.attempt:
            return None
        tries = [
            Try(attempt.prompt, pictures[attempt.image.digest], _said(attempt.verdict))
            for attempt in entry.attempts
            if attempt.number < entry.attempt.number
        ]
        tries.append(Try(entry.attempt.prompt, pictures[entry.attempt.image.digest]))
        thought = f"Step {number} of {len(document.steps)}: {entry.step.name}"
        if number == 1 and document.reasoning:
            thought = f"{document.reasoning}\n{thought}"
        told.append(ToldStep(thought, tuple(tries), entry.step.text))
    given = tuple(pictures[image.digest] for image in document.request.brief.images)
    return Telling(document.request.brief.prompt, given, tuple(told)) if told else None


def _said(verdict: object) -> str:
    if verdict is None or getattr(verdict, "outcome", None) is not Outcome.REVISE:
        return ""
    return str(getattr(verdict, "reasoning", ""))


def sequence(told: Telling, form: Form) -> tuple[str, list[bytes]]:
    """The answer as one text, and its pictures in order."""
    text, pictures = "", []
    for step in told.steps:
        text += f"<gthink>{_plain(step.thought)}</gthink>"
        for attempt in step.tries if form == "reflection" else step.tries[-1:]:
            text += f"<plan>{_plain(attempt.prompt)}</plan>{IMAGE_MARKER}"
            if form == "reflection" and attempt.critic is not None:
                text += f"<critic>{_plain(attempt.critic)}</critic>"
            pictures.append(attempt.picture)
        text += f"<info>{_plain(step.text)}</info>"
    return text, pictures


def steps_of(text: str, pictures: list[bytes]) -> tuple[ToldStep, ...]:
    """The steps back from a sequence. Raises ValueError for text that is none."""
    left, at, told = list(pictures), 0, []
    for found in _STEP.finditer(text):
        if found.start() != at:
            break
        at = found.end()
        tries = tuple(Try(each["prompt"], left.pop(0), each["critic"]) for each in _TRY.finditer(found["tries"]))
        told.append(ToldStep(found["thought"], tries, found["text"]))
    if at != len(text) or not told or left:
        raise ValueError("this is no sequence of steps, or its pictures are not as many as its image markers")
    return tuple(told)


def write_unified(out: Path, tellings: Iterable[Telling], form: Form) -> int:
    """unified_<form>.jsonl and images/ in `out`; the number of rows: request, sequence, images, given."""
    files, count = PictureFiles(out), 0
    temporary = out / f"{FILES[form]}.new"
    with temporary.open("w", encoding="utf-8") as file:
        for told in tellings:
            text, pictures = sequence(told, form)
            row = {
                "request": told.request,
                "given": [files.put(picture) for picture in told.given],
                "sequence": text,
                "images": [files.put(picture) for picture in pictures],
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    temporary.replace(out / FILES[form])
    return count


def read_unified(out: Path, form: Form) -> Iterator[Telling]:
    """The rows back. Raises BadRequest, naming the line."""
    path = out / FILES[form]
    if not path.is_file():
        raise BadRequest(f"there is no {path}: write it with `python -m training collect --unified`")
    for where, row in json_lines(path):
        try:
            given = tuple(get(out, name, where) for name in row["given"])
            pictures = [get(out, name, where) for name in row["images"]]
            yield Telling(row["request"], given, steps_of(row["sequence"], pictures))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise BadRequest(f"{where} is broken: {error}") from error


def _plain(text: str) -> str:
    return _OURS.sub(" ", clean(text))
