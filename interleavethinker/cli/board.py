"""The table of a run under way: the plan as it grows, where each step stands, a bar, and how long it may still take.

Drawn anew several times a second from the document so far; it asks nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from interleavethinker.client import Progress
from interleavethinker.document import Document, DocumentAttempt, DocumentStep
from interleavethinker.events import Event, Planned, Status
from interleavethinker.exports.view import title
from interleavethinker.exports.words import changes, faults, sureness
from interleavethinker.types import Outcome

ENDINGS = {Status.SUCCEEDED: "bold green", Status.FAILED: "bold red"}
PIECES = {"same": "dim", "added": "green", "removed": "red strike"}
BAR_WIDTH = 30


class Board:
    """`told`: the last word on what is no event yet. `at_rest`: nothing moves any more."""

    def __init__(self, run_id: str) -> None:
        self.told: Progress | None = None
        self.at_rest = False
        self._run_id = run_id
        self._document: Document | None = None
        self._whole = False
        self._spinner = Spinner("dots", style="cyan")
        self._began = time.monotonic()
        self._ended: float | None = None
        self._done_before: int | None = None

    def see(self, document: Document, event: Event) -> None:
        """The document after this event."""
        self._document, self.told = document, None
        self._whole = self._whole or isinstance(event, Planned) or bool(document.planner)
        self._ended = time.monotonic() if document.status.final else None
        if self._done_before is None:
            self._done_before = _done(document)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._document is None:
            yield Text.assemble(("asked  ", "dim"), (self._run_id, "dim"))
            return
        document = self._document
        head = Text.assemble((title(document), "bold"), "  ", (self._run_id, "dim"))
        rows = Table(box=None, show_header=False, padding=(0, 1, 0, 0), expand=False)
        rows.add_column(justify="right", style="dim")
        rows.add_column(no_wrap=True, max_width=24, overflow="ellipsis")
        rows.add_column(width=1)
        rows.add_column(ratio=1)
        working = next((step for step in document.steps if _open(step)), None) if not document.status.final else None
        for step in document.steps:
            at_work = step is working and document.status is Status.PROCESSING
            mark = self._spinner if at_work and not self.at_rest else Text.from_markup(_mark(step))
            rows.add_row(str(step.number), escape(step.step.name), mark, self._state(step, at_work))
        yield Group(head, Text(), rows, Text(), self._foot(document))

    def _state(self, step: DocumentStep, at_work: bool) -> Text:
        if not _open(step):
            return _settled(step)
        if not at_work:
            return Text("waiting" if not step.attempts else "not finished", style="dim")
        fresh = step.attempts[step.reopened.first - 1 :] if step.reopened else step.attempts
        last = fresh[-1] if fresh else None
        if last and last.verdict is None:
            return Text(f"judging attempt {last.number}")
        number = len(step.attempts) + 1
        line = Text(f"drawing attempt {number}" if number > 1 else "drawing").append(self._share(), style="cyan")
        if last and last.verdict:
            line.append("\n").append(_why(last)).append("\n").append(_reworded(last))
        return line

    def _share(self) -> str:
        """How far the drawing is, where the service tells."""
        told: Mapping[str, object] = self.told or {}
        done, of = told.get("done"), told.get("of")
        if isinstance(done, int) and isinstance(of, int) and of > 0:
            return f" {100 * done // of} %"
        waiting = told.get("waiting")
        return f", {waiting['ahead']} before it" if isinstance(waiting, dict) and waiting.get("ahead") else ""

    def _foot(self, document: Document) -> Table:
        done, total = _done(document), len(document.steps)
        draws, most = sum(len(step.attempts) for step in document.steps), document.request.budget.max_draws
        words = [f"{done}/{total if self._whole else '?'} steps"]
        words.append(f"{draws} of {most} drawings" if most else f"{draws} drawing{'' if draws == 1 else 's'}")
        words.append(f"{(self._ended or time.monotonic()) - self._began:.0f} s")
        if left := self._left(done, total):
            words.append(f"about {left:.0f} s left")
        line = Text(" · ".join(words), style="dim")
        if document.status.final:
            style = ENDINGS.get(document.status, "bold yellow")
            line = Text.assemble((document.status.value, style), "  ", line)
            if document.problem:
                line.append(f"  {document.problem.detail}", style="yellow")
        elif document.status is not Status.PROCESSING:
            line = Text.assemble((document.status.value, "cyan"), "  ", line)
        foot = Table.grid(padding=(0, 2, 0, 0))
        foot.add_row(ProgressBar(total=max(total, 1), completed=done, width=BAR_WIDTH), line)
        return foot

    def _left(self, done: int, total: int) -> float | None:
        """Seconds: the service's estimate, else by what the steps took that were finished while this was looked at."""
        told: Mapping[str, object] = self.told or {}
        run = told.get("run")
        if isinstance(run, dict) and isinstance(run.get("remaining_estimate"), int | float) and not self._ended:
            return float(run["remaining_estimate"])
        seen = done - (self._done_before or 0)
        if not self._whole or seen < 1 or done >= total or self._ended:
            return None
        return (time.monotonic() - self._began) / seen * (total - done)


def _open(step: DocumentStep) -> bool:
    return not step.finished or step.reopened is not None


def _done(document: Document) -> int:
    return sum(not _open(step) for step in document.steps)


def _mark(step: DocumentStep) -> str:
    if _open(step):
        return "[dim]·[/]"
    return "[yellow]![/]" if step.accepted is False or step.stale else "[green]✓[/]"


def _settled(step: DocumentStep) -> Text:
    attempt, count = step.attempt, len(step.attempts)
    if attempt is None:
        return Text("in words", style="dim")
    times = "" if count == 1 else f" at attempt {attempt.number} of {count}"
    if step.accepted is False:
        line = Text(f"not accepted; the best of {count}", style="yellow")
    elif attempt.verdict is None or attempt.verdict.outcome is Outcome.ABSTAIN:
        line = Text(f"drawn, not judged{times}")
    else:
        sure = sureness(attempt.verdict.confidence)
        line = Text(f"accepted{times}" + (f", {sure}" if sure else ""))
    return line.append("  drawn from what no longer stands", style="yellow") if step.stale else line


def _why(attempt: DocumentAttempt) -> Text:
    """What the critic says is wrong, in a line."""
    assert attempt.verdict
    found = faults(attempt.verdict.reasoning)
    if found is None:
        said = " ".join(attempt.verdict.reasoning.split())
    else:
        said = "; ".join(f"{each.place} {each.wanted}, but {each.seen}".strip() for each in found)
    line = Text(f"not right: {said}" if said else "not right", style="yellow")
    line.truncate(160, overflow="ellipsis")
    return line


def _reworded(attempt: DocumentAttempt) -> Text:
    """What it changed in the prompt."""
    line = Text()
    for piece in changes(attempt.prompt, (attempt.verdict and attempt.verdict.refined_prompt) or attempt.prompt):
        line.append(piece.text, style=PIECES[piece.kind]).append(" ")
    return line
