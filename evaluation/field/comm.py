"""CoMM: sequences of texts and pictures, completed in four ways, judged by scores from 0 to 10."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from evaluation.field import folder
from evaluation.field.benchmark import Answers, Benchmark, Found
from evaluation.field.figures import Figure, Weighted, mean, number, within
from evaluation.field.items import Answer, Item
from evaluation.field.judging import Judge, found_object
from evaluation.field.reading import distinct, one, picture, wanted
from interleavethinker.errors import BadRequest
from interleavethinker.types import IMAGE_MARKER

TEXT, PICTURES = "task1", "task2"
SIX = ("style", "entity", "trend", "completeness", "quality", "match")
WHOLE = "overall_consistency"
MARK = "<IMAGE>"
_FOLDER = re.compile(r".*_(task[1-4])$")
_NUMBER = re.compile(r"\((\d+)\)")

SYSTEM = "You judge a document of texts and pictures that a model made. You are strict, and you answer in JSON only."
SCALE = "Scores are whole numbers from 0 to 10: up to 3 for grave faults, 4 to 7 for small ones, 8 and more for none. "
TASK_1 = (
    "A model was given the pictures and wrote the texts. completeness: is anything missing? match: does each "
    "text say what "
    'its picture shows? Give {"completeness": N, "match": N} alone. '
)
COHERENCE = (
    "style: is the manner of the output's pictures the same from one to the next? entity: do persons and things "
    "stay who and "
    "what they are? trend: do the pictures change as the text says? overall_consistency: all of that together. "
    "completeness: "
    "does the output say and show everything that was asked for? quality: are its pictures real, whole, clear "
    "and well "
    'composed? Where a score cannot be given, null. Give {"style": N, "entity": N, "trend": N, '
    '"overall_consistency": N, '
    '"completeness": N, "quality": N} alone. '
)
IMAGINE = (
    "Here is a document without its pictures; [picture k] marks where each one stood. Say for each, from the "
    "text alone, "
    'what it must have shown. Give {"pictures": ["...", ...]} alone, one text for each mark. '
)
COMPARE = (
    "For each place there is a description of what belongs there, and the picture that stands there. match: how "
    "well do the "
    'pictures show what is described? Give {"match": N} alone. '
)


class Comm(Benchmark):
    name = "comm"
    title = "CoMM"
    headline = "mean_of_scores"
    paper = {"planner_critic": "9 and more; match 5.2"}

    def read(self, path: Path) -> list[Item]:
        if not path.is_dir():
            raise BadRequest(f"--input {path} must be a folder of folders <data id>_<task>, each with a results.json")
        found = [each for each in sorted(path.iterdir()) if (each / "results.json").is_file()]
        return distinct(map(_item, found), path)

    def lay_out(self, items: Sequence[Item], answers: Answers, out: Path) -> None:
        for item in items:
            if (answer := answers.get(item.id)) is None:
                continue
            place = out / item.id
            for name in (*item.about["input_image_list"], *item.about["output_gt_image_list"]):
                folder.put(place / name, picture(item.about["home"], name, item.id).read_bytes())
            first, told, names = _first(item), [], []
            for at, part in enumerate(answer.parts, first):
                words = "" if item.group == PICTURES else f" {part.text}"
                shown = part.image if item.group != TEXT else None
                told.append(f"({at}){words}{f' {MARK}' if shown else ''}")
                if shown:
                    names.append(f"predict_{at}.jpg")
                    folder.put(place / names[-1], jpeg(shown))
            kept = {name: item.about[name] for name in ("model_input", "input_image_list", "output_gt_image_list")}
            folder.write(
                place / "results.json", {**kept, "model_output": " ".join(told), "prediction_image_list": names}
            )

    async def judge_one(self, item: Item, answer: Answer, place: Path, judge: Judge) -> Found:
        if item.group == TEXT:
            return await self._texts(item, answer, place, judge)
        if not answer.images:
            return {"unreadable": 0, **dict.fromkeys(_kinds(item), 0.0), WHOLE: 0.0}
        given = _document(item)
        made = [part for step in answer.parts for part in (step.text, step.image) if part]
        kinds = [*(kind for kind in _kinds(item) if kind != "match"), WHOLE]
        asked: list[str | Path] = [COHERENCE + SCALE, "\nThe input:", *given, "\nThe output:", *made]
        found = await judge.ask(place / "coherence.json", SYSTEM, asked, lambda reply: _scores(reply, kinds))
        match = await self._match(given, answer, place, judge)
        told = found or dict.fromkeys(kinds, None)
        return {"unreadable": (found is None) + (match is None), **told, "match": match}

    def figures(self, items: Sequence[Item], found: Mapping[str, Found]) -> dict[str, Figure]:
        tasks = [item.group for item in items]
        of = {kind: tuple(found[item.id].get(kind) for item in items) for kind in (*SIX, WHOLE)}
        there = [kind for kind in SIX if any(value is not None for value in of[kind])]
        figures: dict[str, Figure] = {"mean_of_scores": Weighted(tuple((1 / len(there), of[kind]) for kind in there))}
        figures |= {kind: mean(of[kind]) for kind in (*there, WHOLE)}
        for task in sorted(set(tasks)):
            parts = {kind: within(of[kind], tasks, task) for kind in there}
            held = [values for values in parts.values() if any(value is not None for value in values)]
            figures[task] = Weighted(tuple((1 / len(held), values) for values in held))
        return figures

    async def _texts(self, item: Item, answer: Answer, place: Path, judge: Judge) -> Found:
        if not answer.text:
            return {"unreadable": 0, "completeness": 0.0, "match": 0.0}
        texts = [part.text for part in answer.parts if part.text]
        pairs: list[str | Path] = []
        for text, image in zip(texts, item.images, strict=False):
            pairs += [text, image]
        more: list[str | Path] = [*texts[len(item.images) :], *item.images[len(texts) :]]
        kinds = ("completeness", "match")
        found = await judge.ask(
            place / "texts.json", SYSTEM, [TASK_1 + SCALE, *pairs, *more], lambda reply: _scores(reply, kinds)
        )
        return {"unreadable": int(found is None), **(found or dict.fromkeys(kinds, None))}

    async def _match(self, given: list[str | Path], answer: Answer, place: Path, judge: Judge) -> float | None:
        """What the texts let one expect of each picture, compared with the picture. Who imagines has not seen it."""
        marks = iter(range(1, len(answer.images) + 1))
        made = [f"{part.text} [picture {next(marks)}]" if part.image else part.text for part in answer.parts]
        words = [part for part in given if isinstance(part, str)]

        def texts(reply: str) -> list[str]:
            told = found_object(reply)["pictures"]
            if not isinstance(told, list) or len(told) != len(answer.images):
                raise ValueError(f"{len(answer.images)} descriptions were asked for")
            return [str(each) for each in told]

        asked = [IMAGINE, "\nThe input:", *words, "\nThe output:", *made]
        imagined = await judge.ask(place / "imagined.json", SYSTEM, asked, texts)
        if imagined is None:
            return None
        pairs: list[str | Path] = []
        for text, image in zip(imagined, answer.images, strict=True):
            pairs += [text, image]
        found = await judge.ask(
            place / "match.json", SYSTEM, [COMPARE + SCALE, *pairs], lambda reply: _scores(reply, ("match",))
        )
        return found["match"] if found else None


def _item(home: Path) -> Item:
    where = f"{home.name}/results.json"
    named = _FOLDER.match(home.name)
    if not named:
        raise BadRequest(f"the folder {home.name} must be called <data id>_task1 to <data id>_task4")
    row = one(home / "results.json")
    wanted(row, {"model_input": str, "input_image_list": list, "output_gt_image_list": list}, where)
    prompt = row["model_input"].replace(MARK, IMAGE_MARKER)
    images = tuple(picture(home, name, where) for name in row["input_image_list"])
    if prompt.count(IMAGE_MARKER) > len(images):
        raise BadRequest(f"{where}: model_input has more {MARK} than input_image_list has pictures ({len(images)})")
    return Item(home.name, prompt, named[1], images, {**row, "home": home})


def _kinds(item: Item) -> list[str]:
    return [kind for kind in SIX if not (item.group == PICTURES and kind == "completeness")]


def _first(item: Item) -> int:
    """The number of the first step to come: a continuation goes on where the input stops."""
    if item.group != "task3":
        return 1
    return max((int(number) for number in _NUMBER.findall(item.about["model_input"])), default=0) + 1


def _document(item: Item) -> list[str | Path]:
    texts = item.prompt.split(IMAGE_MARKER)
    images = [*item.images[: len(texts) - 1]]
    found: list[str | Path] = [*item.images[len(images) :]]
    for at, text in enumerate(texts):
        found += [text] if text.strip() else []
        found += [images[at]] if at < len(images) else []
    return found


def _scores(reply: str, kinds: Sequence[str]) -> dict[str, float]:
    """As the official script counts: a score that cannot be given is 0."""
    told, read = found_object(reply), number(10)
    return {kind: 0.0 if told[kind] in (None, "NA") else read(told[kind]) for kind in kinds}


def jpeg(path: Path) -> bytes:
    out = io.BytesIO()
    with Image.open(path) as shown:
        shown.convert("RGB").save(out, "JPEG", quality=95)
    return out.getvalue()
