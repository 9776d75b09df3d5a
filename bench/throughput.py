"""Documents a minute when the workers are never idle: 1, 2 and 4 workers, eight documents at once for each, without and
with speculation. `make bench`; the result is bench/results/throughput.json.

All documents of a trial share their workers, one process of the orchestrator and one journal. There are language models
enough (a GPU of its own for each worker's eight documents): what is asked is whether drawing on a guess takes anything
from the drawing that is asked for. Counted are the pictures that runs got while all places were taken, over the
pictures that a document takes; both ways make the same documents. Deliberately not here: one document alone
(`documents`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import aclosing
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from bench.documents import GUESSING, PLAIN, asking
from bench.latencies import DENOISE_STEPS, PROFILES, Profile
from bench.standins import LanguageGpu, StandInCritic, StandInGenerator, StandInPlanner
from interleavethinker.events import Drawn
from services.orchestrator.journal import Journal
from services.orchestrator.runs import Runs

WORKERS = (1, 2, 4)
AT_ONCE = 8
"""Documents at the same time, for each worker."""
STEPS, ACCEPTANCE = 4, 0.7


async def trial(profile: Profile, workers: int, rounds: int, pace: float, *, speculate: bool) -> dict[str, float]:
    """Documents and pictures a minute at full pace; the share of the workers' denoising steps meanwhile that
    went into guesses in vain."""
    paced, places = profile.paced(pace), workers * AT_ONCE
    gpu = LanguageGpu(paced, cards=workers)
    numbers, ends = count(), list[float]()
    total = places * rounds
    drawn: list[float] = []
    with tempfile.TemporaryDirectory() as home:
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
                while (number := next(numbers)) < total:
                    run_id = await runs.start(asking(number, ACCEPTANCE, STEPS))
                    async with aclosing(journal.follow(run_id)) as events:
                        async for recorded in events:
                            if isinstance(recorded.event, Drawn):
                                drawn.append(time.perf_counter())
                    ends.append(time.perf_counter())

            await asyncio.gather(*(place() for _ in range(places)))
            await runs.close()
    begin, end = ends[places - 1], ends[total - places]
    minutes = (end - begin) / pace / 60
    made = sum(begin < at <= end for at in drawn)
    return {
        "pictures_a_minute": made / minutes,
        "documents_a_minute": made / minutes / (len(drawn) / total),
        "wasted": (vain := sum(begin < at <= end for at in generator.vain)) / max(1, made * DENOISE_STEPS + vain),
    }


async def measure(profile: Profile, repeats: int, rounds: int, pace: float) -> list[dict[str, Any]]:
    """A row for each number of workers, without and with speculation; medians over the repeats, paired."""
    rows: list[dict[str, Any]] = []
    for workers in WORKERS:
        pairs = []
        for _ in range(repeats):
            plain = await trial(profile, workers, rounds, pace, speculate=False)
            guessing = await trial(profile, workers, rounds, pace, speculate=True)
            pairs.append((plain, guessing))
        for speculate in (False, True):
            ours = [pair[speculate] for pair in pairs]
            row: dict[str, Any] = {"profile": profile.name, "workers": workers, "at_once": workers * AT_ONCE}
            row |= {"speculate": speculate, "n": repeats}
            row |= {key: round(median(each[key] for each in ours), 3) for key in ours[0]}
            if speculate:
                ratio = median(b["pictures_a_minute"] / a["pictures_a_minute"] for a, b in pairs)
                row["ratio_to_plain"] = round(ratio, 3)
            one = next((each for each in rows if each["workers"] == 1 and each["speculate"] is speculate), row)
            row["times_one_worker"] = round(row["pictures_a_minute"] / one["pictures_a_minute"], 2)
            rows.append(row)
            print(row, flush=True)
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    asked.add_argument("--repeats", type=int, default=3)
    asked.add_argument("--rounds", type=int, default=4, help="documents in each place, one after the other")
    asked.add_argument("--pace", type=float, default=0.3, help="the models' seconds are multiplied by it")
    asked.add_argument("--out", type=Path, default=Path("bench/results/throughput.json"))
    chosen = asked.parse_args(argv)
    rows = asyncio.run(measure(PROFILES[0], chosen.repeats, chosen.rounds, chosen.pace))
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
