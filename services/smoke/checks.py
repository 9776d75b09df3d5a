"""What is tried, in order; each gives its lines, and what it made for the next one."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import httpx2

from interleavethinker.client import Client
from interleavethinker.clients.base import ServiceClient
from interleavethinker.clients.critic import CriticClient
from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.clients.planner import PlannerClient
from interleavethinker.errors import InterleaveError
from interleavethinker.events import Status
from interleavethinker.ports import Blobs, Planning
from interleavethinker.types import Brief, Critique, Drawing, ImageJob, Outcome
from services.smoke.line import Line, timed
from services.smoke.settings import Tried

SERVICES = ("planner", "critic", "generator", "orchestrator")
SIMPLE = ("a red house under a blue sky", "make the house yellow, keep everything else")
_Client = TypeVar("_Client", bound=ServiceClient)
_INFO = re.compile(r"^interleavethinker_serving_info\{(.*)\}", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


async def everything(tried: Tried, blobs: Blobs, tell: Callable[[Line], None]) -> list[Line]:
    """All lines; each is told as it comes."""
    lines: list[Line] = []

    def say(line: Line) -> None:
        lines.append(line)
        tell(line)

    ready = {name: await _ready(name, tried.urls[name], tried.patience) for name in SERVICES}
    for line in ready.values():
        say(line)
    for name in SERVICES[:3]:
        if ready[name].outcome == "PASS":
            say(await _serving(name, tried))
    prompts: list[str] = []
    await _tried(say, "plan", ready["planner"], lambda: _plans(tried, say, prompts))
    wanted = _worded(tried, prompts)
    drawn: list[Drawing] = []
    await _tried(say, "drawing", ready["generator"], lambda: _draws(wanted, blobs, say, drawn))
    if len(drawn) == 2:
        await _tried(say, "verdict", ready["critic"], lambda: _judges(wanted, say, drawn[0], drawn[1]))
    else:
        say(Line("verdict", "SKIP", "there is no picture to judge"))
    await _tried(say, "document", ready["orchestrator"], lambda: _document(tried, say))
    return lines


def _worded(tried: Tried, prompts: list[str]) -> Tried:
    """What is to be drawn and changed, where the caller did not say it; without a plan, something simple."""
    drawn, changed = (*prompts, *SIMPLE[len(prompts[:2]) :])[:2]
    return replace(tried, prompt=tried.prompt or drawn, change=tried.change or changed)


async def _tried(say: Callable[[Line], None], about: str, needs: Line, what: Callable[[], Awaitable[None]]) -> None:
    if needs.outcome != "PASS":
        say(Line(about, "SKIP", f"{needs.about} has failed"))
        return
    try:
        await what()
    except InterleaveError as error:
        say(Line(about, "FAIL", f"{error.code}: {error.detail}"))
    except TimeoutError as error:
        say(Line(about, "FAIL", f"not at its end in time: {error}"))


async def _ready(name: str, url: str, patience: float) -> Line:
    about, start, found = f"{name} is ready", time.monotonic(), ""
    async with httpx2.AsyncClient(timeout=10.0) as client:
        while True:
            try:
                answer = await client.get(f"{url.rstrip('/')}/readyz")
                if answer.is_success:
                    return Line(about, "PASS", url, time.monotonic() - start)
                found = str(answer.json().get("detail", answer.status_code))
            except (httpx2.TransportError, httpx2.InvalidURL) as error:
                found = f"{url} does not answer: {error}"
            except ValueError:
                found = f"{url} is no service of ours"
            if time.monotonic() - start >= patience:
                return Line(about, "FAIL", found, time.monotonic() - start)
            await asyncio.sleep(1.0)


async def _serving(name: str, tried: Tried) -> Line:
    """What is really loaded, as the service exports it: a silent fall-back to a CPU or another model shows here."""
    about, headers = f"{name} serves", {"Authorization": f"Bearer {tried.token}"} if tried.token else None
    try:
        async with httpx2.AsyncClient(timeout=10.0) as client:
            text = (await client.get(f"{tried.urls[name].rstrip('/')}/metrics", headers=headers)).text
    except httpx2.TransportError as error:
        return Line(about, "FAIL", f"its metrics cannot be read: {error}")
    labels = [dict(_LABEL.findall(each)) for each in _INFO.findall(text)]
    facts = next((each for each in labels if each.get("service") == name), None)
    if facts is None:
        return Line(about, "FAIL", "its metrics do not say what is loaded")
    facts["pack"] = facts.get("pack", "")[:12]
    found = ", ".join(
        f"{key} {facts[key]}" for key in ("model", "backend", "device", "dtype", "pack") if facts.get(key)
    )
    if name == "generator":
        if tried.model and not facts.get("model", "").startswith(tried.model):
            return Line(about, "FAIL", f"{found}; the settings say {tried.model}")
        if tried.accelerated and facts.get("device", "").startswith("cpu"):
            return Line(about, "FAIL", f"{found}: it draws on a CPU, the settings say otherwise")
    return Line(about, "PASS", found)


async def _draws(tried: Tried, blobs: Blobs, say: Callable[[Line], None], drawn: list[Drawing]) -> None:
    """A first drawing pays for warming up, the second is timed, the third edits the second."""
    seed = int(time.time())  # a job that was drawn before would be answered from the store
    async with _closing(GeneratorClient(tried.urls["generator"], token=tried.token)) as generator:

        async def draw(prompt: str, number: int, *references: Drawing) -> tuple[Drawing, bytes]:
            images = tuple(each.image for each in references)
            job = ImageJob(prompt=prompt, seed=seed + number, size=tried.size, references=images)
            drawing = await generator.draw(job)
            return drawing, await blobs.get(drawing.image.digest)

        first, _ = await draw(tried.prompt, 0)
        say(Line("first drawing", "PASS", "with what a first one pays for", first.draw_seconds))
        plain, picture = await draw(tried.prompt, 1)
        size = f"{plain.image.width} x {plain.image.height}"
        say(timed("text-to-image", size, plain.draw_seconds, tried.draw_seconds, (tried.prompt, picture)))
        edit, edited = await draw(tried.change, 2, plain)
        same = edit.image.digest == plain.image.digest
        if same:
            say(Line("edit", "FAIL", "the edited picture is the picture that was given", edit.draw_seconds))
            return
        expected = tried.draw_seconds and 2.5 * tried.draw_seconds  # a reference makes a call 2.2 times as long
        say(timed("edit", f"{edit.model}", edit.draw_seconds, expected, (tried.change, edited)))
    drawn += [plain, edit]


async def _judges(tried: Tried, say: Callable[[Line], None], before: Drawing, after: Drawing) -> None:
    async with _closing(CriticClient(tried.urls["critic"], token=tried.token)) as critic:
        start = time.monotonic()
        asked = Critique(prompt=tried.change, last_prompt=tried.change, before=before.image, after=after.image)
        judged = await critic.judge(asked)
        seconds = time.monotonic() - start
    sure = "" if judged.verdict.confidence is None else f", confidence {judged.verdict.confidence:.2f}"
    found = f"{judged.verdict.outcome}{sure}; {judged.model}, pack {judged.pack[:12]}"
    if judged.verdict.outcome is Outcome.ABSTAIN:
        say(Line("verdict", "FAIL", f"no answer could be read: is the prompt pack the model's own? {found}", seconds))
    else:
        say(timed("verdict", found, seconds, tried.verdict_seconds))


async def _plans(tried: Tried, say: Callable[[Line], None], prompts: list[str]) -> None:
    """What it writes for the first two pictures is what is drawn and changed: words that the models were made for."""
    start, first, steps = time.monotonic(), None, 0
    async with _closing(PlannerClient(tried.urls["planner"], token=tried.token)) as planner:
        async for told in planner.plan(Brief(prompt=tried.wish), max_steps=tried.max_steps):
            if isinstance(told, Planning):
                found = f"{steps} steps, the first after {first or 0:.1f} s; {told.model}, pack {told.pack[:12]}"
                say(Line("plan", "PASS", found, time.monotonic() - start))
            else:
                steps += 1
                prompts += [told.prompt] if told.prompt else []
                first = first or time.monotonic() - start


async def _document(tried: Tried, say: Callable[[Line], None]) -> None:
    def made() -> Line:
        start = time.monotonic()
        with Client(tried.urls["orchestrator"], api_key=tried.api_key) as client:
            run = client.interleave(tried.wish, seed=int(time.time()), max_steps=tried.max_steps, max_attempts=2)
            document = run.wait(timeout=(tried.document_seconds or 600.0) * 3)
            seconds = time.monotonic() - start
            pictures = tuple((f"{step.number}. {step.name}", step.picture() or b"") for step in document.steps)
        if document.status is not Status.SUCCEEDED:
            why = document.problem.detail if document.problem else document.status
            return Line("document", "FAIL", f"{document.status}: {why} (run {document.id})", seconds, None, pictures)
        attempts = sum(len(step.attempts) for step in document.steps)
        found = f"{len(document.steps)} steps, {attempts} attempts, run {document.id}"
        return timed("document", found, seconds, tried.document_seconds, *(each for each in pictures if each[1]))

    say(await asyncio.to_thread(made))


@asynccontextmanager
async def _closing(client: _Client) -> AsyncIterator[_Client]:
    try:
        yield client
    finally:
        await client.close()
