"""What a benchmark of the field is: a reader of its files, a writer of its output layout, a judge's questions, and its
own formula."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.field import folder
from evaluation.field.figures import Figure
from evaluation.field.items import Answer, Item
from evaluation.field.judging import Judge

Found = dict[str, Any]
Answers = Mapping[str, Answer]
"""By item."""


class Benchmark(ABC):
    """`name` is the command's; `title` is what people call it; `headline` the metric of its tables; `paper`: what the
    paper reports, in the units of `headline`, by row."""

    name: str
    title: str
    headline: str
    paper: Mapping[str, str] = {}

    @abstractmethod
    def read(self, path: Path) -> list[Item]:
        """The questions in the benchmark's own file or folder. Raises BadRequest."""

    @abstractmethod
    def lay_out(self, items: Sequence[Item], answers: Answers, out: Path) -> None:
        """Write the answers under `out` as the benchmark's own scripts read them."""

    @abstractmethod
    def figures(self, items: Sequence[Item], found: Mapping[str, Found]) -> dict[str, Figure]:
        """The numbers of one row by name, from what was found of each item."""

    async def judge(
        self, items: Sequence[Item], rows: Mapping[str, Answers], home: Path, judge: Judge
    ) -> dict[str, dict[str, Found]]:
        """What was found of each answer, by row and item; replies are kept under `home`."""
        asked = [
            (row, item, self.judge_one(item, answers[item.id], home / row / folder.filed(item.id), judge))
            for row, answers in rows.items()
            for item in items
            if item.id in answers
        ]
        found: dict[str, dict[str, Found]] = {row: {} for row in rows}
        results = await asyncio.gather(*(each for _, _, each in asked))
        for (row, item, _), result in zip(asked, results, strict=True):
            found[row][item.id] = result
        return found

    async def judge_one(self, item: Item, answer: Answer, place: Path, judge: Judge) -> Found:
        """What was found of one answer. `unreadable` counts questions without a readable reply."""
        raise NotImplementedError
