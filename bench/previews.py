"""What previews cost: the same drawings in the small stack, watched and not, one beside the other.

`python -m bench.previews --draws 100` prints one line. Watched and unwatched drawings take turns, so that whatever
else the machine does falls on both alike. Deliberately not here: whether a preview shows the right thing (tests do).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from statistics import fmean, median

from bench.local import up
from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.ports import DrawProgress, watching
from interleavethinker.types import ImageJob

PROMPT = "a snow scene with a white snowball at b4 and a red boat at b3"


async def measure(url: str, draws: int) -> dict[str, float | int]:
    """Seconds of a drawing as its worker tells them."""
    client, seconds = GeneratorClient(url), {True: list[float](), False: list[float]()}
    shown, told = 0, list[DrawProgress]()
    for seed in range(2 * (draws + 2)):
        watched = bool(seed % 2)
        told.clear()
        watching.set(told.append if watched else None)
        drawing = await client.draw(ImageJob(prompt=PROMPT, seed=seed))
        if seed >= 4:  # the first ones warm up
            seconds[watched].append(drawing.draw_seconds)
            shown += max((each.previews for each in told), default=0)
    await client.close()
    alone, watched_by = seconds[False], seconds[True]
    return {
        "draws": draws,
        "previews": shown,
        "median_without": round(median(alone), 4),
        "median_with": round(median(watched_by), 4),
        "mean_without": round(fmean(alone), 4),
        "mean_with": round(fmean(watched_by), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.previews", description=__doc__)
    parser.add_argument("--draws", type=int, default=100, help="of each kind")
    draws = parser.parse_args().draws
    with tempfile.TemporaryDirectory() as home, up(Path(home), {}) as stack:
        print(json.dumps(asyncio.run(measure(stack.watched.services["generator"], draws))))


if __name__ == "__main__":
    main()
