"""What stands between a run and its models: the content filter, and the tenant's pictures per hour.

The filter sees the brief before it is planned, each prompt before it is drawn, each picture before the run has it. What
it says is an event, so it is in the document's provenance. What it denies ends the run with `content_denied`; a denied
picture is named in no event, so nobody can be shown it. Deliberately not here: what may not be drawn (`word_filter`, or
a deployer's own module).
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from interleavethinker import http
from interleavethinker.errors import BadSettings, Denied
from interleavethinker.events import Event, Screened
from interleavethinker.ports import Blobs, ContentFilter, ContentVerdict, Generator, Planner, Planning
from interleavethinker.types import Brief, Drawing, ImageJob, ImageRef, Screening, Step
from services.orchestrator.access_settings import FilterSettings
from services.orchestrator.rates import Rates
from services.orchestrator.word_filter import open_words
from services.orchestrator.writing import Record


def open_filter(settings: FilterSettings) -> ContentFilter | None:
    """The filter that the settings name; None where they name none. Raises BadSettings."""
    if settings.module:
        try:
            own: ContentFilter = importlib.import_module(settings.module).open_filter()
        except (ImportError, AttributeError) as error:
            raise BadSettings(f"orchestrator.filter.module is {settings.module!r}: {error}") from error
        return own
    return open_words(settings.words) if settings.words else None


class Guards:
    """Made once; each run gets its planner and generator through it. Without a filter nothing is screened, without
    rates nothing is counted."""

    def __init__(
        self, content: ContentFilter | None = None, *, blobs: Blobs | None = None, rates: Rates | None = None
    ) -> None:
        self._content, self._blobs, self._rates = content, blobs, rates

    @property
    def see_images(self) -> bool:
        """Whether pictures are looked at before anyone is shown them: then nothing unfinished may be shown either."""
        return self._content is not None and self._content.sees_images

    async def admit(self, *prompts: str | None) -> None:
        """What a caller asks for, before anything is kept of it. Raises Denied."""
        if self._content:
            for prompt in filter(None, prompts):
                _demand(Screening(subject="brief", **_said(self._content, await self._content.prompt(prompt))))

    async def admit_pictures(self, pictures: Sequence[ImageRef]) -> None:
        """The same for pictures that a caller gives a run that has been planned. Raises Denied."""
        if self._content and self._content.sees_images:
            assert self._blobs is not None, "a filter that may see pictures needs to read them"
            for picture in pictures:
                said = _said(self._content, await self._content.image(await self._blobs.get(picture.digest)))
                _demand(Screening(subject="image", **said))

    def planner(
        self, planner: Planner, record: Record, past: Sequence[Event], references: Sequence[ImageRef] = ()
    ) -> Planner:
        """`references`: pictures that come with the brief, though the planner is not shown them."""
        screen = self._screen(record, past)
        return _ScreenedPlanner(planner, screen, references) if screen else planner

    def generator(self, generator: Generator, record: Record, past: Sequence[Event]) -> Generator:
        screen = self._screen(record, past)
        return _ScreenedGenerator(generator, screen) if screen else generator

    def counted(self, generator: Generator) -> Generator:
        """The same generator, each picture counted once however often it is tried."""
        return _CountedGenerator(generator, self._rates) if self._rates else generator

    def _screen(self, record: Record, past: Sequence[Event]) -> _Screen | None:
        if self._content is None:
            return None
        assert self._blobs is not None, "a filter that may see pictures needs to read them"
        return _Screen(self._content, self._blobs, record, past)


class _Screen:
    """One run's filter: says each thing once, also when the run is taken up again."""

    def __init__(self, content: ContentFilter, blobs: Blobs, record: Record, past: Sequence[Event]) -> None:
        self._content, self._blobs, self._record = content, blobs, record
        self._said = {event.screening for event in past if isinstance(event, Screened)}

    async def brief(self, brief: Brief, references: Sequence[ImageRef]) -> None:
        for text in filter(None, (brief.prompt, brief.style, brief.characters)):
            await self._say(Screening(subject="brief", **_said(self._content, await self._content.prompt(text))))
        for image in (*brief.images, *references):
            await self._image(image.digest, None)

    async def prompt(self, job: ImageJob) -> None:
        verdict = await self._content.prompt(job.prompt)
        await self._say(Screening(subject="prompt", job_id=job.id, **_said(self._content, verdict)))

    async def drawing(self, drawing: Drawing) -> None:
        await self._image(drawing.image.digest, drawing.job_id)

    async def allows(self, job: ImageJob) -> bool:
        """Asked for a hint: nothing is said of it."""
        return (await self._content.prompt(job.prompt)).allowed

    async def _image(self, digest: str, job_id: str | None) -> None:
        if self._content.sees_images:
            verdict = await self._content.image(await self._blobs.get(digest))
            await self._say(Screening(subject="image", job_id=job_id, **_said(self._content, verdict)))

    async def _say(self, screening: Screening) -> None:
        if screening not in self._said:
            self._said.add(screening)
            await self._record(Screened(screening=screening))
        _demand(screening)


class _ScreenedPlanner:
    def __init__(self, planner: Planner, screen: _Screen, references: Sequence[ImageRef]) -> None:
        self._planner, self._screen, self._references = planner, screen, references

    async def plan(self, brief: Brief, *, seed: int = 0, max_steps: int = 25) -> AsyncGenerator[Step | Planning, None]:
        await self._screen.brief(brief, self._references)
        async with aclosing(self._planner.plan(brief, seed=seed, max_steps=max_steps)) as answer:
            async for part in answer:
                yield part


class _ScreenedGenerator:
    def __init__(self, generator: Generator, screen: _Screen) -> None:
        self._generator, self._screen = generator, screen
        self.forget = generator.forget

    async def draw(self, job: ImageJob) -> Drawing:
        await self._screen.prompt(job)
        drawing = await self._generator.draw(job)
        await self._screen.drawing(drawing)
        return drawing

    async def foresee(self, job: ImageJob) -> None:
        if await self._screen.allows(job):
            await self._generator.foresee(job)


class _CountedGenerator:
    def __init__(self, generator: Generator, rates: Rates) -> None:
        self._generator, self._rates = generator, rates
        self.foresee, self.forget = generator.foresee, generator.forget

    async def draw(self, job: ImageJob) -> Drawing:
        await self._rates.draw(http.tenant.get())
        return await self._generator.draw(job)


def _said(content: ContentFilter, verdict: ContentVerdict) -> dict[str, object]:
    return {"allowed": verdict.allowed, "reason": verdict.reason[:1_000], "filter": content.name}


def _demand(screening: Screening) -> None:
    if not screening.allowed:
        subject = {"brief": "this request", "prompt": "a step's prompt", "image": "a picture"}[screening.subject]
        raise Denied(f"the content filter does not allow {subject}: {screening.reason}", subject=screening.subject)
