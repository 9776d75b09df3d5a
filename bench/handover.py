"""From "drawn" to "judging": how long a picture takes from the worker's last denoising step to the critic's request,
hop by hop, with the real queue (Redis, Celery), the real generator service over HTTP, and the real loop and journal.

    python -m bench.handover --documents 30            # 512 x 512 pixels
    python -m bench.handover --side 1024

The models are stand-ins: `drawn_at_once` takes 0.2 s, so that callers wait as they do, and a critic over HTTP accepts.
Hops, in order: `stored` (the picture is a PNG in the blob store: encoding, and the flush to the disk; by the file's
ctime, which its renaming sets), `ended` (Redis has told the worker that it holds the finished job), `told` (the
orchestrator's client has the answer: pub/sub, the long poll), `recorded` (the event is on the disk), `judging` (the
critic's server has read the request). Sums of them: `handover` from ended to judging, `from_stored` from stored to
judging (what no model and no encoder has part in), `whole` from denoised to judging; `under_5_ms` says for each which
share of the pictures took less. The first document warms everything up and is not counted. The event loops are those
that uvicorn takes, as in the services. Deliberately not here: documents side by side (`throughput`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from bench.documents import Told, asking
from bench.drawn_at_once import STAMPS, stamp
from bench.house import until
from bench.latencies import PROFILES, percentile
from bench.standins import LanguageGpu, StandInPlanner
from interleavethinker.blobs import place_of
from interleavethinker.clients.critic import PATH, CriticClient, VerdictAnswer, VerdictRequest
from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.events import Drawn, Event, Recorded
from interleavethinker.redis_server import redis_server
from interleavethinker.settings import PREFIX, RedisSettings
from interleavethinker.types import Drawing, ImageJob, Outcome, Size, Verdict
from services.orchestrator.runs import Runs

STEPS, START_SECONDS, END_SECONDS = 4, 60.0, 120.0
HOPS = ("stored", "ended", "told", "recorded", "judging")
SUMS = {"handover": "ended", "from_stored": "stored", "whole": "denoised"}
"""From which hop's end each counts, to judging."""


class Stamped(Told):
    """A journal that notes when each drawing was recorded, and which picture it is."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.images: dict[str, str] = {}

    async def append(self, run_id: str, event: Event, *, fence: int | None = None) -> Recorded:
        recorded = await super().append(run_id, event, fence=fence)
        if isinstance(event, Drawn):
            stamp("recorded", event.job.id)
            self.images[event.drawing.image.digest] = event.job.id
        return recorded


class StampedGenerator(GeneratorClient):
    async def draw(self, job: ImageJob) -> Drawing:
        drawing = await super().draw(job)
        stamp("told", job.id)
        return drawing


def critic_app() -> FastAPI:
    """Accepts everything at once; notes when it was asked."""
    app = FastAPI()

    @app.post(PATH)
    async def judge(asked: VerdictRequest) -> VerdictAnswer:
        stamp("judging", asked.critique.after.digest)
        return VerdictAnswer(verdict=Verdict(outcome=Outcome.ACCEPT, confidence=0.9), raw=("",))

    return app


async def measure(generator: str, critic: str, home: Path, documents: int, side: int) -> dict[str, Any]:
    """Milliseconds of each hop."""
    profile = PROFILES[0].paced(0.0)
    drawer, judge = StampedGenerator(generator), CriticClient(critic)
    async with Stamped(f"sqlite:///{home}/journal.db") as journal:
        planner = StandInPlanner(LanguageGpu(profile), STEPS)
        runs = Runs(journal, planner=planner, critic=judge, generator=drawer, at_once=1)
        for number in range(documents + 1):
            if number == 1:
                journal.images.clear()
            journal.ended.clear()
            await runs.start(asking(number, 1.0, STEPS).model_copy(update={"size": Size(width=side, height=side)}))
            async with asyncio.timeout(END_SECONDS):
                await journal.ended.wait()
        await runs.close()
    await drawer.close()
    await judge.close()
    return hops(journal.images, home / "blobs")


def hops(images: dict[str, str], blobs: Path) -> dict[str, Any]:
    """Percentiles of each hop over all pictures, in milliseconds."""
    at: dict[str, dict[str, int]] = {job: {} for job in images.values()}
    for line in Path(os.environ[STAMPS]).read_text().splitlines():
        what, key, nanoseconds = line.split()
        job = images.get(key, key)  # the critic knows pictures only
        if job in at:
            at[job][what] = int(nanoseconds)
    for digest, job in images.items():
        at[job]["stored"] = (blobs / place_of(digest)).stat().st_ctime_ns
    found: dict[str, Any] = {"pictures": len(at)}
    spans = [*zip(("denoised", *HOPS[:-1]), HOPS, HOPS, strict=True)]
    spans += [(begin, "judging", name) for name, begin in SUMS.items()]
    for begin, end, name in spans:
        took = [(each[end] - each[begin]) / 1e6 for each in at.values()]
        found[name] = {f"p{p}": round(percentile(took, p / 100), 2) for p in (50, 95)}
        if name in SUMS:
            found[name]["under_5_ms"] = round(sum(each < 5 for each in took) / len(took), 3)
    return found


@contextmanager
def house(home: Path) -> Iterator[tuple[str, str]]:
    """(generator's URL, critic's URL) of services in processes of their own, on an embedded Redis."""
    ports = [_free_port() for _ in range(2)]
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX) and name != "REDIS_URL"}
    with ExitStack() as opened:
        redis_url = opened.enter_context(redis_server(RedisSettings(), home))
        said = {
            "HOME": str(home),
            "REDIS__URL": redis_url,
            "BLOBS__URL": str(home / "blobs"),
            "GENERATOR__BACKEND": "bench.drawn_at_once",
            "GENERATOR__PORT": str(ports[0]),
        }
        environment = own | {f"{PREFIX}{name}": value for name, value in said.items()}
        log = opened.enter_context((home / "services.log").open("ab"))
        service = [sys.executable, "-m", "services.generator_service"]
        for command in (
            service,
            [*service, "worker"],
            [sys.executable, "-m", "bench.handover", "critic", str(ports[1])],
        ):
            started = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            opened.callback(_end, started)
        urls = f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}"
        until(
            lambda: _answers(f"{urls[0]}/readyz") and _answers(f"{urls[1]}/docs"), "they do not come up", START_SECONDS
        )
        yield urls


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2).is_success
    except httpx2.TransportError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(argv: Sequence[str] | None = None) -> None:
    said = list(sys.argv[1:] if argv is None else argv)
    if said[:1] == ["critic"]:
        uvicorn.run(critic_app(), host="127.0.0.1", port=int(said[1]), log_level="warning")
        return
    asked = argparse.ArgumentParser(prog="python -m bench.handover", description=__doc__)
    asked.add_argument("--documents", type=int, default=30, help=f"of {STEPS} pictures each")
    asked.add_argument("--side", type=int, default=512, help="pixels")
    asked.add_argument("--out", type=Path, default=Path("bench/results/handover.json"))
    chosen = asked.parse_args(said)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        os.environ[STAMPS] = str(home / "stamps")
        began = time.perf_counter()
        with house(home) as (generator, critic):
            loop = uvicorn.Config("", log_config=None).get_loop_factory()
            with asyncio.Runner(loop_factory=loop) as runner:
                found = runner.run(measure(generator, critic, home, chosen.documents, chosen.side))
    command = " ".join(["python -m bench.handover", *said])
    seconds = round(time.perf_counter() - began, 1)
    result = {"command": command, "side": chosen.side, "seconds": seconds, "load": os.getloadavg()[0]}
    result["milliseconds"] = found
    print(json.dumps(result, indent=1))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
