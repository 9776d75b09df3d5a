"""UEval: 1000 questions of eight tasks, each with rubrics for the text and for the pictures; one question to the judge
for each rubric."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from evaluation.field import folder
from evaluation.field.benchmark import Answers, Benchmark, Found
from evaluation.field.figures import Figure, Weighted, mean, within
from evaluation.field.items import Answer, Item
from evaluation.field.judging import Judge, found_object
from evaluation.field.reading import distinct, rows, wanted
from interleavethinker.errors import BadRequest

OPEN = ("art", "life", "tech", "exercise")
CLOSED = ("space", "textbook", "diagram", "paper")

SYSTEM = "You check an answer against one requirement at a time. You are exact and fair, and you answer in JSON only."
VERDICT = (
    'Say {"criteria_met": true} if the requirement is met in full, {"criteria_met": false} if any part of it is '
    "missing "
    'or wrong, {"criteria_met": "not sure"} if what you are shown does not settle it. Give the JSON object alone.'
)
OF_TEXT = "Does the written answer meet the requirement?"
OF_OPEN = (
    "Do the pictures, read together with the written answer, meet the requirement? What is required must be "
    "depicted: "
    "words written inside a picture do not stand in for it. Where pictures are compared with the steps of the "
    "text, a "
    "picture agrees with its step when it shows the step's main action; side actions may be left out."
)
OF_CLOSED = (
    "Do the pictures meet the requirement? What is required must be depicted: words written inside a picture do "
    "not stand "
    "in for it, and where a picture is nothing but writing the requirement is not met."
)


class UEval(Benchmark):
    name = "ueval"
    title = "UEval"
    headline = "overall"
    paper = {"generator_alone": "0.182", "planner_only": "0.602 (planner SFT)", "planner_critic": "0.663 (critic RL)"}

    def read(self, path: Path) -> list[Item]:
        return distinct((self._item(row, f"{path}: entry {at}") for at, row in enumerate(rows(path), 1)), path)

    def lay_out(self, items: Sequence[Item], answers: Answers, out: Path) -> None:
        told = []
        for item in items:
            if (answer := answers.get(item.id)) is None:
                continue
            names = [f"images/{folder.filed(item.id)}_{at}.png" for at in range(1, len(answer.images) + 1)]
            for name, image in zip(names, answer.images, strict=True):
                folder.put(out / name, image.read_bytes())
            told.append({"id": item.id, "text_answer": answer.text, "image_answer": names})
        folder.write(out / "outputs.json", told)

    async def judge_one(self, item: Item, answer: Answer, place: Path, judge: Judge) -> Found:
        images = OF_OPEN if item.group in OPEN else OF_CLOSED
        text = f"Question:\n{item.prompt}\n\nWritten answer:\n{answer.text or '(none)'}"
        seen = text if item.group in OPEN else f"Question:\n{item.prompt}"

        async def met(kind: str, at: int, rubric: str) -> bool | str | None:
            if not (answer.text if kind == "text" else answer.images):
                return False  # nothing is there that could meet it
            asked = f"{OF_TEXT if kind == 'text' else images} {VERDICT}\n\n{text if kind == 'text' else seen}"
            pictures: list[Path] = [] if kind == "text" else answer.images
            parts: list[str | Path] = [asked, *pictures, f"Requirement:\n{rubric}"]
            return await judge.ask(place / f"{kind}-{at}.json", SYSTEM, parts, _met)

        found: Found = {"unreadable": 0}
        for kind in ("text", "image"):
            rubrics = item.about[f"{kind}_rubrics"]
            told = await asyncio.gather(*(met(kind, at, rubric) for at, rubric in enumerate(rubrics, 1)))
            found["unreadable"] += sum(each is None for each in told)
            found[kind] = sum(each is True for each in told) / len(told) if told else None
        return found

    def figures(self, items: Sequence[Item], found: Mapping[str, Found]) -> dict[str, Figure]:
        text, image = ([found[item.id][kind] for item in items] for kind in ("text", "image"))
        groups = [item.group for item in items]
        tasks = [task for task in (*OPEN, *CLOSED) if task in groups]
        of_task = {task: _half(within(text, groups, task), within(image, groups, task)) for task in tasks}
        over_tasks = tuple((weight / len(tasks), values) for task in tasks for weight, values in of_task[task].terms)
        return {
            "overall": _half(tuple(text), tuple(image)),
            "overall_of_tasks": Weighted(over_tasks),
            "text": mean(text),
            "image": mean(image),
            **of_task,
        }

    def _item(self, row: Found, where: str) -> Item:
        wanted(row, {"id": (str, int), "prompt": str, "task": str}, where)
        if row["task"] not in (*OPEN, *CLOSED):
            raise BadRequest(f"{where}: task {row['task']!r} is none of {', '.join((*OPEN, *CLOSED))}")
        about = dict(row) | {
            kind: _rubrics(row.get(kind), f"{where}: {kind}") for kind in ("text_rubrics", "image_rubrics")
        }
        return Item(str(row["id"]), row["prompt"], row["task"], about=about)


def _rubrics(told: object, where: str) -> list[str]:
    """The data set has had both forms: a list of texts, and of objects with a `criterion`."""
    if told is None:
        return []
    if not isinstance(told, list):
        raise BadRequest(f"{where} must be a list of requirements")
    found = [each.get("criterion") if isinstance(each, dict) else each for each in told]
    if not all(isinstance(each, str) for each in found):
        raise BadRequest(f"{where} must hold texts, or objects with a 'criterion'")
    return [str(each) for each in found]


def _half(text: tuple[float | None, ...], image: tuple[float | None, ...]) -> Weighted:
    """(text + image) / 2; the one of them that there is, where no item has the other."""
    there = [values for values in (text, image) if any(value is not None for value in values)]
    return Weighted(tuple((1 / len(there), values) for values in there))


def _met(reply: str) -> bool | str:
    told = found_object(reply)["criteria_met"]
    if isinstance(told, bool):
        return told
    said = str(told).strip().lower()
    if said in ("true", "yes"):
        return True
    if said in ("false", "no"):
        return False
    if said in ("not sure", "unsure", "unknown"):
        return "not sure"
    raise ValueError(f"no verdict: {told!r}")
