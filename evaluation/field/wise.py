"""WISE: 1000 prompts that need knowledge of the world, one picture each: WISE_Verified (a yes or no for each), and the
first release (three scores from 0 to 2), which the paper used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.field import folder
from evaluation.field.benchmark import Answers, Benchmark, Found
from evaluation.field.figures import Figure, Weighted, by_group, mean, number, within
from evaluation.field.items import Answer, Item
from evaluation.field.judging import Judge, found_object
from evaluation.field.reading import distinct, rows, wanted
from interleavethinker.errors import BadRequest

SYSTEM = "You judge one generated picture against what its prompt means. You are strict, and you answer in JSON only."
VERIFIED = (
    'Say {"score": 1} only if the picture shows what the prompt means, as the explanation tells it, with the '
    "right things "
    "in the right relations, and is realistic and clear enough to be sure. Otherwise, or where it is too broken to "
    'tell, say {"score": 0}. Give the JSON object alone.'
)
LEGACY = (
    "Give three scores, each 0, 1 or 2. consistency: 2 if everything that the prompt means is there and right, "
    "1 if part of "
    "it is, 0 if its point is missed or contradicted. realism: 2 if it could be taken for a photograph, 1 if "
    "small things "
    "betray it, 0 if it is plainly artificial or impossible. aesthetic_quality: 2 if it is outstanding, 1 if it "
    "is pleasant, "
    "0 if it is poor. In doubt, give the lower one; 2 is rare. Give the JSON object alone, as "
    '{"consistency": 0, "realism": 0, "aesthetic_quality": 0}.'
)


@dataclass(frozen=True)
class Protocol:
    """`until`: the last prompt_id of each category; `weights` of the categories in the overall number."""

    until: Mapping[str, int]
    weights: Mapping[str, float]
    question: str
    keys: Mapping[str, float]
    most: int


PROTOCOLS = {
    "verified": Protocol(
        {"culture": 400, "time": 520, "space": 640, "biology": 760, "physics": 880, "chemistry": 1000},
        {"culture": 0.40, "time": 0.12, "space": 0.12, "biology": 0.12, "physics": 0.12, "chemistry": 0.12},
        VERIFIED, {"score": 1.0}, 1,
    ),
    "legacy": Protocol(
        {"culture": 400, "time": 567, "space": 700, "biology": 800, "physics": 900, "chemistry": 1000},
        {"culture": 0.4, "time": 0.167, "space": 0.133, "biology": 0.1, "physics": 0.1, "chemistry": 0.1},
        LEGACY, {"consistency": 0.7, "realism": 0.2, "aesthetic_quality": 0.1}, 2,
    ),
}  # fmt: skip


class Wise(Benchmark):
    name = "wise"
    headline = "overall"

    def __init__(self, protocol: str = "verified") -> None:
        if protocol not in PROTOCOLS:
            raise BadRequest(f"--protocol {protocol} is none of {', '.join(PROTOCOLS)}")
        self._protocol = PROTOCOLS[protocol]
        self.title = f"WISE ({protocol})"
        if protocol == "legacy":
            self.paper = {"generator_alone": "0.47", "planner_critic": "0.73"}

    def read(self, path: Path) -> list[Item]:
        return distinct((self._item(row, f"{path}: entry {at}") for at, row in enumerate(rows(path), 1)), path)

    def lay_out(self, items: Sequence[Item], answers: Answers, out: Path) -> None:
        for item in items:
            if item.id in answers and answers[item.id].images:
                folder.put(out / f"{item.id}.png", answers[item.id].images[-1].read_bytes())

    async def judge_one(self, item: Item, answer: Answer, place: Path, judge: Judge) -> Found:
        keys, read = self._protocol.keys, number(self._protocol.most)
        if not answer.images:
            return {"unreadable": 0, "score": 0.0, **dict.fromkeys(keys, 0.0)}
        about = f"Prompt: {item.prompt}\nExplanation: {item.about['Explanation']}"
        parts: list[str | Path] = [f"{self._protocol.question}\n\n{about}", answer.images[-1]]

        def scores(reply: str) -> dict[str, float]:
            told = found_object(reply)
            return {key: read(told[key]) for key in keys}

        found = await judge.ask(place / "score.json", SYSTEM, parts, scores)
        if found is None:
            return {"unreadable": 1, "score": None}
        return {
            "unreadable": 0,
            **found,
            "score": sum(keys[key] * value for key, value in found.items()) / self._protocol.most,
        }

    def figures(self, items: Sequence[Item], found: Mapping[str, Found]) -> dict[str, Figure]:
        scores = [found[item.id]["score"] for item in items]
        groups = [item.group for item in items]
        terms = tuple((weight, within(scores, groups, name)) for name, weight in self._protocol.weights.items())
        return {"overall": Weighted(terms), "mean": mean(scores), **by_group(scores, groups)}

    def _item(self, row: Found, where: str) -> Item:
        wanted(row, {"prompt_id": int, "Prompt": str, "Explanation": str}, where)
        group = next((name for name, last in self._protocol.until.items() if row["prompt_id"] <= last), None)
        if group is None or row["prompt_id"] < 1:
            raise BadRequest(f"{where}: prompt_id {row['prompt_id']} is not from 1 to 1000")
        return Item(str(row["prompt_id"]), row["Prompt"], group, about=row)
