"""A run in the terminal while it happens: one or two lines an event, and each step's picture where the terminal can.

Says what the events say and asks nothing; where the events come from is the caller's business.
"""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.style import Style
from rich.text import Text

from interleavethinker.events import (
    Drawn,
    Finished,
    Judged,
    PlanEdited,
    Planned,
    Recorded,
    Status,
    StepEdited,
    StepFinished,
    StepInserted,
    StepPlanned,
    StepReopened,
)
from interleavethinker.exports.words import changes, faults, sureness
from interleavethinker.types import Outcome, Step, Verdict

STYLES = {"same": "", "added": "green", "removed": "red strike"}
ENDINGS = {Status.SUCCEEDED: "bold green", Status.FAILED: "bold red"}
THUMBNAIL = (24, 24)
"""Columns and half lines of a picture in the terminal."""


class Telling:
    """Tells one run's events, in their order. `picture` fetches an encoded picture by its digest."""

    def __init__(self, console: Console, picture: Callable[[str], bytes]) -> None:
        self._console, self._picture = console, picture
        self._steps: dict[int, Step] = {}
        self._drawn: dict[tuple[int, int], Drawn] = {}

    def recall(self, recorded: Recorded) -> None:
        """An event of before: known from here on, and not told."""
        match recorded.event:
            case StepPlanned(step=step) | StepEdited(step=step) | StepInserted(step=step):
                self._steps[step.index] = step
            case PlanEdited(plan=plan):
                self._steps = {step.index: step for step in plan.steps}
            case Drawn() as drawn:
                self._drawn[drawn.step, drawn.number] = drawn

    def tell(self, recorded: Recorded) -> None:
        match recorded.event:
            case StepPlanned(step=step):
                self._steps[step.index] = step
                self._say(f"[blue]plan[/]  {step.index}. [bold]{escape(step.name)}[/]  {escape(step.text)}")
            case Planned(plan=plan, seconds=seconds):
                self._say(f"[blue]plan[/]  {_count(len(plan.steps), 'step')} in {seconds:.1f} s")
            case PlanEdited(plan=plan):
                self.recall(recorded)
                self._say(f"[blue]plan[/]  edited: {_count(len(plan.steps), 'step')}")
            case StepEdited() | StepInserted():
                self.recall(recorded)
            case StepReopened(step=number):
                self._say(f"[blue]again[/] step {number}")
            case Drawn() as drawn:
                self._tell_drawn(drawn)
            case Judged(verdict=verdict, seconds=seconds):
                self._tell_verdict(verdict, seconds)
            case StepFinished() as finished:
                self._tell_finished(finished)
            case Finished(status=status, problem=problem):
                style = ENDINGS.get(status, "bold yellow")
                self._say(f"[{style}]{status}[/]" + (f"  {escape(problem.detail)}" if problem else ""))

    def _tell_drawn(self, drawn: Drawn) -> None:
        """The first attempt's prompt as it is, a redraw's with what the critic changed in it."""
        before = self._drawn.get((drawn.step, drawn.number - 1))
        self._drawn[drawn.step, drawn.number] = drawn
        name = escape(self._steps[drawn.step].name)
        seconds = drawn.drawing.queue_seconds + drawn.drawing.draw_seconds
        if drawn.number == 1:
            self._say(f"\n[bold]{drawn.step}. {name}[/]")
        line = Text.assemble(("  draw  ", "magenta"), ("again  ", "magenta") if before else "")
        for piece in changes(before.job.prompt if before else drawn.job.prompt, drawn.job.prompt):
            if piece.kind == "removed" and not self._console.is_terminal:
                continue  # struck out is all that tells it from the rest
            line.append(piece.text, style=STYLES[piece.kind]).append(" ")
        self._console.print(line.append(f" {seconds:.1f} s", style="dim"), highlight=False)

    def _tell_verdict(self, verdict: Verdict, seconds: float) -> None:
        words = {
            Outcome.ACCEPT: "[green]accepted[/]",
            Outcome.REVISE: "[yellow]not right[/]",
            Outcome.ABSTAIN: "[yellow]no readable verdict[/]",
        }[verdict.outcome]
        sure = sureness(verdict.confidence)
        self._say(f"  [cyan]judge[/] {words}{f', {sure}' if sure else ''}  [dim]{seconds:.1f} s[/]")
        if verdict.outcome is not Outcome.REVISE:
            return
        found = faults(verdict.reasoning)
        for fault in found or []:
            place = f"[dim]{escape(fault.place)}[/] " if fault.place else ""
            self._say(f"        {place}{escape(fault.wanted)}, but [red]{escape(fault.seen)}[/]")
        if found is None and verdict.reasoning:
            self._say(f"        {escape(verdict.reasoning)}")

    def _tell_finished(self, finished: StepFinished) -> None:
        kept = self._drawn.get((finished.step, finished.kept)) if finished.kept else None
        if kept is None:
            step = self._steps[finished.step]
            return self._say(f"\n[bold]{step.index}. {escape(step.name)}[/]\n  {escape(step.text)}")
        if finished.accepted is False:
            self._say(f"  [yellow]kept[/]  attempt {finished.kept} as the best, not accepted")
        if self._console.is_terminal and self._console.color_system == "truecolor":
            self._console.print(Padding(thumbnail(self._picture(kept.drawing.image.digest)), (1, 0, 0, 8)))
        return None

    def _say(self, markup: str) -> None:
        self._console.print(markup, highlight=False)


def thumbnail(data: bytes, size: tuple[int, int] = THUMBNAIL) -> Text:
    """The picture in half blocks: each character is one pixel above another. `size` in pixels, the height even."""
    with Image.open(io.BytesIO(data)) as picture:
        small = picture.convert("RGB")
        small.thumbnail(size, Image.Resampling.BOX)
    small = small.crop((0, 0, small.width, small.height - small.height % 2))
    text = Text()
    for row in range(0, small.height, 2):
        for column in range(small.width):
            above, below = ("#{:02x}{:02x}{:02x}".format(*_pixel(small, column, row + half)) for half in (0, 1))
            text.append("▀", style=Style(color=above, bgcolor=below))
        text.append("\n")
    text.rstrip()
    return text


def _pixel(picture: Image.Image, column: int, row: int) -> tuple[int, ...]:
    pixel = picture.getpixel((column, row))
    assert isinstance(pixel, tuple), "the picture is RGB"
    return pixel


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
