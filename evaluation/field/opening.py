"""OpenING: open requests for interleaved documents, judged in pairs: each row against the others, and against whatever
other models' outputs are given."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from evaluation.field import folder
from evaluation.field.benchmark import Answers, Benchmark, Found
from evaluation.field.comm import jpeg
from evaluation.field.figures import Figure, Ratio
from evaluation.field.items import Answer, Item, Part
from evaluation.field.judging import Judge, found_object
from evaluation.field.reading import distinct, one, picture, rows, wanted
from interleavethinker.errors import BadRequest
from interleavethinker.types import IMAGE_MARKER

SUFFIX = "_output"
RESULTS = ("A", "B", "tie A", "tie B")
ENDS = ("win", "loss", "tie win", "tie loss")

SYSTEM = "You compare two answers to one request. You are impartial, and you answer in JSON only."
QUESTION = (
    "Which answer is better? First of all count whether texts and pictures are right and are there at all; then "
    "whether "
    "pictures and texts agree; whether style, persons and things stay the same from step to step; how clear and "
    "real the "
    "pictures and how correct the sentences are; whether anything unwelcome is in them; whether all that was "
    "asked for is "
    "there; and last, how rich they are. Length and order of the answers are no merit. "
    'Give {"winner": "A"} or {"winner": "B"}; where they are as good as equal, {"winner": "tie A"} or '
    '{"winner": "tie B"} '
    "for the one with the slight edge. Give the JSON object alone."
)


class Opening(Benchmark):
    name = "opening"
    title = "OpenING"
    headline = "win_rate_ties_forced"

    def __init__(self, against: Sequence[Path] = (), seed: int = 0) -> None:
        self._seed = seed
        for place in against:
            if not place.is_dir() or not place.name.endswith(SUFFIX):
                raise BadRequest(f"--against {place} must be a folder of OpenING outputs, called <model>{SUFFIX}")
        self._against = {place.name.removesuffix(SUFFIX): place for place in against}

    def read(self, path: Path) -> list[Item]:
        home = path if path.is_dir() else path.parent
        return distinct((_item(row, home, f"{path}: entry {at}") for at, row in enumerate(rows(path), 1)), path)

    def lay_out(self, items: Sequence[Item], answers: Answers, out: Path) -> None:
        place = out.with_name(f"{out.name}{SUFFIX}")
        for item in items:
            if (answer := answers.get(item.id)) is None:
                continue
            told: list[dict[str, str | None]] = []
            for at, part in enumerate(answer.parts):
                name = f"{item.id}-o-{at}.jpg" if part.image else None
                if part.image and name:
                    folder.put(place / name, jpeg(part.image))
                told.append({"text": part.text, "image": name})
            row = dict(item.about)
            row["conversations"] = [row["conversations"][0], {"output": told}]
            folder.write(place / f"{item.id}.json", row)

    async def judge(
        self, items: Sequence[Item], rows: Mapping[str, Answers], home: Path, judge: Judge
    ) -> dict[str, dict[str, Found]]:
        every: dict[str, Answers] = dict(rows)
        for name, place in self._against.items():
            every[name] = {item.id: answer for item in items if (answer := _output(place, item.id))}
        pairs = [(a, b) for a, b in combinations(every, 2) if a in rows]
        found: dict[str, dict[str, Found]] = {
            row: {item.id: {"unreadable": 0, "battles": []} for item in items if item.id in rows[row]} for row in rows
        }

        async def battle(item: Item, a: str, b: str) -> None:
            place = home / "battles" / folder.filed(item.id) / f"{folder.filed(a)}-{folder.filed(b)}.json"
            swapped = random.Random(f"{self._seed} {item.id} {a} {b}").random() < 0.5
            first, second = (
                (every[b][item.id], every[a][item.id]) if swapped else (every[a][item.id], every[b][item.id])
            )
            winner = await _winner(item, first, second, place, judge)
            for name, other, mine in ((a, b, "B" if swapped else "A"), (b, a, "A" if swapped else "B")):
                if name not in rows:
                    continue
                if winner is None:
                    found[name][item.id]["unreadable"] += 1
                else:
                    end = ("tie " if winner.startswith("tie") else "") + ("win" if winner[-1] == mine else "loss")
                    found[name][item.id]["battles"].append({"against": other, "end": end})

        both = [(item, a, b) for item in items for a, b in pairs if item.id in every[a] and item.id in every[b]]
        await asyncio.gather(*(battle(*each) for each in both))
        return found

    def figures(self, items: Sequence[Item], found: Mapping[str, Found]) -> dict[str, Figure]:
        battles = [found[item.id]["battles"] for item in items]
        others = sorted({each["against"] for fought in battles for each in fought})
        forced = {"win": 1.0, "tie win": 1.0}
        figures: dict[str, Figure] = {
            "win_rate_ties_forced": _rate(battles, forced, ENDS),
            "win_rate_without_ties": _rate(battles, {"win": 1.0}, ("win", "loss")),
            "win_rate_ties_as_zero": _rate(battles, {"win": 1.0}, ENDS),
            "win_rate_ties_as_half": _rate(battles, {"win": 1.0, "tie win": 0.5, "tie loss": 0.5}, ENDS),
        }
        for other in others:
            against = [[each for each in fought if each["against"] == other] for fought in battles]
            figures[f"win_rate_against_{other}"] = _rate(against, forced, ENDS)
        return figures


def _rate(battles: Sequence[Sequence[Found]], worth: Mapping[str, float], counted: Sequence[str]) -> Ratio:
    hits = tuple(sum(worth.get(each["end"], 0.0) for each in fought) for fought in battles)
    return Ratio(hits, tuple(float(sum(each["end"] in counted for each in fought)) for fought in battles))


def _item(row: Found, home: Path, where: str) -> Item:
    wanted(row, {"total_uid": str, "conversations": list}, where)
    texts, images = [], []
    for part in _parts(row, 0, "input", where):
        text = (part.get("text") or "").replace("<BEGIN>", "").replace(IMAGE_MARKER, "").strip()
        if part.get("image"):
            images.append(picture(home, part["image"], where))
            text = f"{text} {IMAGE_MARKER}"
        texts.append(text)
    prompt = "\n".join(texts).strip()
    if not prompt:
        raise BadRequest(f"{where} asks for nothing: its input has neither text nor picture")
    return Item(row["total_uid"], prompt, str(row.get("meta_task_name", "")), tuple(images), row)


def _parts(row: Found, at: int, name: str, where: str) -> list[dict[str, Any]]:
    try:
        return [dict(part) for part in row["conversations"][at][name]]
    except (LookupError, TypeError, ValueError):
        raise BadRequest(f"{where}: conversations[{at}] must have a list {name!r} of texts and images") from None


def _output(place: Path, uid: str) -> Answer | None:
    """Another model's answer in the official layout (.json, or .jsonl as some are)."""
    file = next((found for ending in ("json", "jsonl") if (found := place / f"{uid}.{ending}").is_file()), None)
    if file is None:
        return None
    parts = _parts(rows(file)[0] if file.suffix == ".jsonl" else one(file), 1, "output", str(file))
    told = [(str(part.get("text") or "").replace(IMAGE_MARKER, "").strip(), part.get("image")) for part in parts]
    images = [place / Path(image).name if image else None for _, image in told]
    shown = [image if image and image.is_file() else None for image in images]
    return Answer("succeeded", tuple(Part(text, image) for (text, _), image in zip(told, shown, strict=True)))


async def _winner(item: Item, a: Answer, b: Answer, place: Path, judge: Judge) -> str | None:
    if not a.parts or not b.parts:
        return "tie A" if not a.parts and not b.parts else "B" if not a.parts else "A"

    def read(reply: str) -> str:
        told = str(found_object(reply)["winner"]).strip().replace("Tie", "tie").replace("(", " ").strip(") ")
        if told not in RESULTS:
            raise ValueError(f"no winner: {told!r}")
        return told

    asked: list[str | Path] = [f"{QUESTION}\n\nThe request: {item.prompt}", *item.images]
    for name, answer in (("A", a), ("B", b)):
        asked += [f"\nAnswer {name}:", *(part for step in answer.parts for part in (step.text, step.image) if part)]
    return await judge.ask(place, SYSTEM, asked, read)
