"""RISEBench: pictures to be edited by reasoning (over time, cause, space, logic), judged for consistency, reasoning and
plausibility from 1 to 5."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from evaluation.field import folder
from evaluation.field.benchmark import Answers, Benchmark, Found
from evaluation.field.figures import Figure, by_group, mean, number
from evaluation.field.items import Answer, Item
from evaluation.field.judging import Judge, found_object
from evaluation.field.reading import distinct, picture, rows, wanted
from interleavethinker.errors import BadRequest

LOGICAL = "logical_reasoning"
CATEGORIES = ("temporal_reasoning", "causal_reasoning", "spatial_reasoning", LOGICAL)

SYSTEM = "You judge an edited picture on one question only. You are strict, and you answer in JSON only."
SCALE = 'Give {"score": N}, N a whole number from 1 (not at all) to 5 (in full). Give the JSON object alone.'
BINARY = 'Give {"score": 1} for yes and {"score": 0} for no. Give the JSON object alone.'
CONSISTENCY = (
    "The first picture was to be edited; the second is the result. Apart from what the instruction asks to "
    "change, how well "
    "did everything stay: things, people, background, style, framing? Do not judge whether the change itself is "
    "right. "
)
LOGICAL_CONSISTENCY = (
    "The first picture shows the task, or its right solution; the second is what was made. Are layout, style "
    "and the things "
    "that were not to be changed the same? Do not judge whether the solution is right. "
)
REASONING = (
    "How right is the result, as the instruction means it and the reference tells it? What the reference says "
    "must be "
    "seen in the picture. Do not judge quality or what else changed. "
)
LOGICAL_REASONING = "Is the solution that the result shows the right one, as the reference has it? "
PLAUSIBILITY = (
    "Look at the picture for itself. How possible and well made is it: forms, materials, light and space right, "
    "nothing "
    "broken, doubled or smeared? "
)


class Rise(Benchmark):
    name = "rise"
    title = "RISEBench"
    headline = "accuracy"
    paper = {"generator_alone": "0.133", "planner_critic": "0.289"}

    def read(self, path: Path) -> list[Item]:
        home = path if path.is_dir() else path.parent
        return distinct((_item(row, home, f"{path}: entry {at}") for at, row in enumerate(rows(path), 1)), path)

    def lay_out(self, items: Sequence[Item], answers: Answers, out: Path) -> None:
        for item in items:
            if item.id in answers and answers[item.id].images:
                place = out / "images" / item.group / f"{folder.filed(item.id)}.png"
                folder.put(place, answers[item.id].images[-1].read_bytes())

    async def judge_one(self, item: Item, answer: Answer, place: Path, judge: Judge) -> Found:
        kinds: list[str] = [kind for kind in ("consistency", "reasoning", "plausibility") if kind in _asked(item)]
        if not answer.images:
            return {"unreadable": 0, **_scored(item, dict.fromkeys(kinds, 1.0))}
        logical = item.group == LOGICAL
        read = number(1) if logical else number(5, 1)

        async def score(kind: str) -> float | None:
            parts = _question(item, kind, answer.images[-1])
            told = await judge.ask(
                place / f"{kind}.json", SYSTEM, parts, lambda reply: read(found_object(reply)["score"])
            )
            return None if told is None else 4 * told + 1 if logical else told

        found = dict(zip(kinds, await asyncio.gather(*map(score, kinds)), strict=True))
        return {"unreadable": sum(each is None for each in found.values()), **_scored(item, found)}

    def figures(self, items: Sequence[Item], found: Mapping[str, Found]) -> dict[str, Figure]:
        groups = [item.group for item in items]

        def of(name: str) -> list[float | None]:
            return [found[item.id].get(name) for item in items]

        figures: dict[str, Figure] = {name: mean(of(name)) for name in ("accuracy", "score")}
        if any("consistency" not in _asked(item) for item in items):
            figures["accuracy_of_what_is_asked"] = mean(of("accuracy_of_what_is_asked"))
        figures |= {
            name: mean([_percent(each) for each in of(name)]) for name in ("consistency", "reasoning", "plausibility")
        }
        for name in ("accuracy", "score"):
            figures |= {f"{name}_{group}": each for group, each in by_group(of(name), groups).items()}
        return figures


def _item(row: Found, home: Path, where: str) -> Item:
    wanted(row, {"index": (str, int), "category": str, "instruction": str, "image": str}, where)
    if row["category"] not in CATEGORIES:
        raise BadRequest(f"{where}: category {row['category']!r} is none of {', '.join(CATEGORIES)}")
    about = dict(row)
    for name in ("reference_img", "reasoning_img"):
        if isinstance(row.get(name), str) and row[name]:
            about[name] = picture(home, row[name], where) if name == "reference_img" else row[name]
        else:
            about.pop(name, None)
    if not any(about.get(name) for name in ("reference", "reference_txt", "reference_img")):
        raise BadRequest(f"{where} has no reference, reference_txt or reference_img to judge by")
    return Item(str(row["index"]), row["instruction"], row["category"], (picture(home, row["image"], where),), about)


def _asked(item: Item) -> tuple[str, ...]:
    free = item.group != LOGICAL and bool(item.about.get("consistency_free"))
    last = () if item.group == LOGICAL else ("plausibility",)
    return (*(() if free else ("consistency",)), "reasoning", *last)


def _question(item: Item, kind: str, result: Path) -> list[str | Path]:
    told = f"Instruction: {item.prompt}\n"
    source, logical = item.images[0], item.group == LOGICAL
    told_by_words = item.group in ("temporal_reasoning", "causal_reasoning") or (
        logical and item.about.get("reference_txt")
    )
    shown = None if told_by_words else item.about.get("reference_img")
    if kind == "plausibility":
        return [PLAUSIBILITY + SCALE, result]
    if kind == "consistency":
        question = LOGICAL_CONSISTENCY + BINARY if logical else CONSISTENCY + SCALE
        return [f"{question}\n\n{told}", shown or source, result]
    question = LOGICAL_REASONING + BINARY if logical else REASONING + SCALE
    if shown:
        return [f"{question}\n\n{told}The first picture is the reference, the second the result.", shown, result]
    reference = item.about.get("reference_txt") or item.about.get("reference")
    if item.about.get("reasoning_img"):
        words = f"Reference: {reference}\nThe first picture was to be edited, the second is the result."
        return [f"{question}\n\n{told}{words}", source, result]
    return [f"{question}\n\n{told}Reference: {reference}\nThe picture is the result.", result]


def _scored(item: Item, scores: Mapping[str, float | None]) -> Found:
    """The official formula: a weighted score from 1 to 5 (here as its percentage), halved where the reasoning is all
    wrong; and whether everything is 5."""
    c, r, p = (scores.get(name) for name in ("consistency", "reasoning", "plausibility"))
    if any(value is None for value in scores.values()):
        return {**scores, "score": None, "accuracy": None, "accuracy_of_what_is_asked": None}
    weights = {
        ("consistency", "reasoning", "plausibility"): (0.3, 0.5, 0.2),
        ("reasoning", "plausibility"): (0, 0.8, 0.2),
        ("consistency", "reasoning"): (0.3, 0.7, 0),
    }[_asked(item)]
    score = sum(weight * (value or 0) for weight, value in zip(weights, (c, r, p), strict=True))
    if r == 1:
        score = max(1.0, score / 2)
    whole = float(all(value == 5 for value in scores.values()))
    return {**scores, "score": _percent(score), "accuracy": whole if c else 0.0, "accuracy_of_what_is_asked": whole}


def _percent(score: float | None) -> float | None:
    return None if score is None else 25 * (score - 1)
