"""Documents a minute with 1, 2 and 4 workers and 1 to 64 documents at once, without and with speculation. `make bench`;
the result is bench/results/throughput.json.

    python -m bench.throughput                                   # about 40 minutes
    python -m bench.throughput --repeats 1 --at-once 1 8 64      # about 6

All documents of a trial share their workers, one process of the orchestrator and one journal. There are language models
enough (a GPU of its own for each worker): what is asked is whether drawing on a guess takes anything from the drawing
that is asked for. In each place one document follows the other. Counted are the pictures that runs got in a window of
time after the first documents, and how many documents these are: the mean of what a document takes, which is known of
the lots. The two ways of a pair are by turns the first. Deliberately not here: one document alone (`documents`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from bench.documents import ATTEMPTS, GUESSING, PLAIN, asking
from bench.latencies import DENOISE_STEPS, PROFILES, Profile
from bench.standins import LanguageGpu, Lots, StandInCritic, StandInGenerator, StandInPlanner
from interleavethinker.events import Drawn
from services.orchestrator.journal import Journal
from services.orchestrator.runs import Runs

WORKERS = (1, 2, 4)
AT_ONCE = (1, 2, 4, 8, 16, 32, 64)
STEPS, ACCEPTANCE = 4, 0.7
WARM_SECONDS, WINDOW_SECONDS = 40.0, 120.0
"""At full pace: before anything is counted, and while it is."""


def pictures_a_document(most: int = 2000) -> float:
    """The mean over the documents' lots."""
    taken = 0
    for document in range(most):
        lots = Lots(document, ACCEPTANCE)
        for step in range(1, STEPS + 1):
            taken += next((n for n in range(1, ATTEMPTS) if lots.accepts(step, n)), ATTEMPTS)
    return taken / most


async def trial(profile: Profile, workers: int, places: int, pace: float, *, speculate: bool) -> dict[str, float]:
    """Documents and pictures a minute at full pace; the share of the workers' denoising steps meanwhile that
    went into guesses in vain."""
    paced, gpu, numbers = profile.paced(pace), LanguageGpu(profile.paced(pace), cards=workers), count()
    drawn: list[float] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        async with Journal(f"sqlite:///{home}/journal.db") as journal, StandInGenerator(paced, workers) as generator:
            runs = Runs(
                journal,
                planner=StandInPlanner(gpu, STEPS),
                critic=StandInCritic(gpu, stop_on_accept=True),
                generator=generator,
                at_once=places,
                reach=GUESSING if speculate else PLAIN,
            )

            async def place() -> None:
                while True:
                    run_id = await runs.start(asking(next(numbers), ACCEPTANCE, STEPS))
                    async with aclosing(journal.follow(run_id)) as events:
                        async for recorded in events:
                            if isinstance(recorded.event, Drawn):
                                drawn.append(time.perf_counter())

            working = [asyncio.create_task(place()) for _ in range(places)]
            await asyncio.sleep(WARM_SECONDS * pace)
            begin = time.perf_counter()
            await asyncio.sleep(WINDOW_SECONDS * pace)
            end = time.perf_counter()
            for task in working:
                task.cancel()
            for ended in await asyncio.gather(*working, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended
            await runs.close()
    minutes = (end - begin) / pace / 60
    made = sum(begin < at <= end for at in drawn)
    return {
        "pictures_a_minute": made / minutes,
        "documents_a_minute": made / minutes / pictures_a_document(),
        "wasted": (vain := sum(begin < at <= end for at in generator.vain)) / max(1, made * DENOISE_STEPS + vain),
    }


async def measure(profile: Profile, at_once: Sequence[int], repeats: int, pace: float) -> AsyncIterator[dict[str, Any]]:
    """A row for each number of workers and of documents, without and with speculation; medians over the repeats."""
    one: dict[tuple[int, bool], float] = {}
    for workers in WORKERS:
        for places in at_once:
            pairs: list[dict[bool, dict[str, float]]] = []
            for number in range(repeats):
                pair = {}
                for speculate in (False, True) if number % 2 == 0 else (True, False):
                    pair[speculate] = await trial(profile, workers, places, pace, speculate=speculate)
                pairs.append(pair)
            for speculate in (False, True):
                ours = [pair[speculate] for pair in pairs]
                row: dict[str, Any] = {"profile": profile.name, "workers": workers, "at_once": places}
                row |= {"speculate": speculate, "n": repeats}
                row |= {key: round(median(each[key] for each in ours), 3) for key in ours[0]}
                row["pictures_a_minute_each"] = [round(each["pictures_a_minute"], 1) for each in ours]
                if speculate:
                    ratios = [pair[True]["pictures_a_minute"] / pair[False]["pictures_a_minute"] for pair in pairs]
                    row["ratio_to_plain"] = round(median(ratios), 3)
                    row["ratio_to_plain_each"] = [round(ratio, 3) for ratio in ratios]
                single = one.setdefault((places, speculate), row["pictures_a_minute"])
                row["times_one_worker"] = round(row["pictures_a_minute"] / single, 2)
                yield row


async def rows_of(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    async for row in measure(PROFILES[0], chosen.at_once, chosen.repeats, chosen.pace):
        rows.append(row)
        print(row, flush=True)
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    asked.add_argument("--repeats", type=int, default=3)
    asked.add_argument("--at-once", type=int, nargs="+", default=AT_ONCE, help="documents at the same time")
    asked.add_argument("--pace", type=float, default=0.1, help="the models' seconds are multiplied by it")
    asked.add_argument("--out", type=Path, default=Path("bench/results/throughput.json"))
    chosen = asked.parse_args(argv)
    rows = asyncio.run(rows_of(chosen))
    result = {
        "command": " ".join(["python -m bench.throughput", *(sys.argv[1:] if argv is None else argv)]),
        "pace": chosen.pace,
        "steps": STEPS,
        "acceptance": ACCEPTANCE,
        "rows": rows,
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(chosen.out)


if __name__ == "__main__":
    main()
