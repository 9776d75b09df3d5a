"""What a worker asks of an image model: load once, then draw one picture at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import NamedTuple, Protocol

from PIL import Image

from interleavethinker.types import Cost, ImageJob

Look = Callable[[int], Image.Image]
"""Makes a small picture of the drawing as it is now, at most so many pixels a side. To be called within the step only,
since it costs time and shows this moment."""


class OnStep(Protocol):
    """Called after each denoising step; what it raises ends the drawing. `look` None: this backend cannot show any."""

    def __call__(self, done: int, of: int, look: Look | None = None) -> None: ...


class Loaded(NamedTuple):
    """What is really loaded. `model` is name@revision: with the job's content it determines the picture.

    The others say how it computes, and what of all this was seen to be so before the first job.
    """

    model: str
    device: str
    dtype: str
    quantization: str = "none"
    compile: str = "off"
    attention: str = ""
    verified: str = ""


class DeviceLost(Exception):
    """The accelerator's context is broken for good; only a new process can draw again."""


class Tally:
    """What a job's calls to somebody else's model came to, whether a picture came of them or not.

    `calls` counts them by outcome: answered, unusable (an answer without a picture), refused, failed, lost (no answer;
    it may have been billed all the same). `reported` is what the server said of itself.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.amount, self.currency, self.reported = 0.0, "", ""

    def charge(self, outcome: str, amount: float, currency: str) -> None:
        """Another call, and what it cost."""
        self.calls[outcome] += 1
        self.amount += amount
        self.currency = currency

    @property
    def cost(self) -> Cost | None:
        """None where nobody was called."""
        count = self.calls.total()
        return Cost(amount=round(self.amount, 9), currency=self.currency, calls=count) if count else None


tally: ContextVar[Tally | None] = ContextVar("tally", default=None)
"""The tally of the job that this thread draws: the worker lays it there, a backend that calls others writes on it."""


class Backend(Protocol):
    """Used by one thread only, unless it has `concurrent = True`: one that only waits for a server.

    The module that defines one has `open_backend(settings) -> Backend`.
    """

    name: str

    def setup(self) -> Loaded:
        """Load the model; called once, before the first job. Raises BadCheckpoint or BadSettings."""
        ...

    def draw(self, job: ImageJob, references: Sequence[Image.Image], on_step: OnStep) -> Image.Image:
        """Draw the job: text-to-image without references, else an edit of the first one, the others being looked at.

        The picture depends only on the job, the references and the model. Raises DrawFailed for what this model cannot
        draw, DeviceLost.
        """
        ...
