"""The doors between the rooms: what the loop needs of a planner, a generator, a critic and a blob store.

Each port has several implementations and one contract suite in tests/contracts/. Nothing here knows HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from typing import NamedTuple, Protocol, runtime_checkable

from interleavethinker.types import Brief, Critique, Drawing, ImageJob, ImageRef, Plan, Step, Verdict


class Planning(NamedTuple):
    """The end of a planner's stream: the whole plan, every raw answer (re-asked ones first), what wrote it, as
    name@revision, and the digest of the prompt pack that it was asked with."""

    plan: Plan
    raw: tuple[str, ...] = ()
    model: str = ""
    pack: str = ""


class Judgement(NamedTuple):
    """A verdict with the raw answers it was read from, what gave it, as name@revision, and its prompt pack's digest."""

    verdict: Verdict
    raw: tuple[str, ...] = ()
    model: str = ""
    pack: str = ""


class Planner(Protocol):
    def plan(self, brief: Brief, *, seed: int = 0, max_steps: int = 25) -> AsyncGenerator[Step | Planning, None]:
        """Yield each step as it closes, then exactly one `Planning` whose plan holds just those steps.

        Raises Malformed when no answer could be read within the bounded re-asks, Unavailable when nobody answers.
        """
        ...


class Critic(Protocol):
    async def judge(self, critique: Critique) -> Judgement:
        """Judge one attempt. An answer that stays unreadable is a verdict of `abstain`, not an error."""
        ...


class DrawProgress(NamedTuple):
    """How far a drawing is. `done` denoising steps `of` all (0: not known yet); `previews` made of it so far; `ahead`:
    the jobs that are drawn before it, None once it is being drawn and where the generator does not tell."""

    job_id: str
    done: int = 0
    of: int = 0
    previews: int = 0
    ahead: int | None = None


OnProgress = Callable[[DrawProgress], None]
watching: ContextVar[OnProgress | None] = ContextVar("watching", default=None)
"""Who is told how the drawings asked for in this context come along. A side channel: what is lost on it is lost, and
nothing waits for it."""


@runtime_checkable
class Previews(Protocol):
    """A generator that shows its drawings while it draws them."""

    async def preview(self, job_id: str) -> bytes | None:
        """The latest preview of a job, a small JPEG; None when there is none (any more). Raises Unavailable."""
        ...


class Generator(Protocol):
    async def draw(self, job: ImageJob) -> Drawing:
        """Draw the job, or return what was drawn before: idempotent by `job.id`. Raises DrawFailed,
        ContentRefused, Canceled, Unavailable. Tells whoever is `watching`, where it can."""
        ...

    async def foresee(self, job: ImageJob) -> None:
        """A hint that this job may come soon; it may be drawn ahead. Never raises, never waits."""
        ...

    async def forget(self, job: ImageJob) -> None:
        """Withdraw a hint, or cancel a job that is under way."""
        ...


@runtime_checkable
class Foretelling(Protocol):
    """A generator that gives what it drew on a hint."""

    async def hinted(self, job: ImageJob) -> Drawing | None:
        """Wait for the picture of a hint, as a hint: it is not begun any sooner for it. None when there will be none.
        Never raises."""
        ...


class ContentVerdict(NamedTuple):
    """Whether something may be drawn, or shown; and if not, why, in words for the caller."""

    allowed: bool
    reason: str = ""


class ContentFilter(Protocol):
    """Says what must not be drawn or shown. A filter that cannot say raises Unavailable: nothing passes unseen."""

    name: str
    """As name@revision, for the provenance."""
    sees_images: bool
    """Whether `image` looks at all. One that does not is not asked, and no picture is said to have been screened."""

    async def prompt(self, text: str) -> ContentVerdict:
        """May this be planned, or drawn?"""
        ...

    async def image(self, data: bytes) -> ContentVerdict:
        """May this picture be shown?"""
        ...


class Blobs(Protocol):
    """Content-addressed bytes: a blob's name is the SHA-256 of its content."""

    async def put(self, data: bytes) -> str:
        """Store the bytes (once) and return their digest."""
        ...

    async def get(self, digest: str) -> bytes:
        """The bytes. Raises NotFound."""
        ...

    async def has(self, digest: str) -> bool: ...


async def put_image(blobs: Blobs, data: bytes, *, width: int, height: int, media_type: str = "image/png") -> ImageRef:
    """Store an encoded image of the given size in pixels and return its name."""
    return ImageRef(digest=await blobs.put(data), media_type=media_type, width=width, height=height)
