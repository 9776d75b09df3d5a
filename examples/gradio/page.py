"""The growing document as HTML: every step with its attempts side by side. Knows nothing of Gradio.

Everything that callers or models wrote is escaped; pictures stand in it as data: URLs, each fetched once.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape

from interleavethinker.document import Document
from interleavethinker.events import Status
from interleavethinker.exports import view
from interleavethinker.exports.view import AttemptView, StepView
from interleavethinker.types import ImageRef

STYLE = """<style>
.doc { max-width: 56rem; margin: 0 auto; }
.doc h2 { margin: 0 0 .2rem; }
.doc .now { opacity: .7; margin: 0 0 1rem; }
.doc section { border-top: 1px solid #8884; padding: 1rem 0; }
.doc .tries { display: flex; flex-wrap: wrap; gap: .8rem; margin-top: .6rem; }
.doc figure { margin: 0; width: 12rem; }
.doc figure img { width: 100%; border-radius: 6px; border: 3px solid #8886; image-rendering: auto; }
.doc figure.kept img { border-color: #2a9d4b; }
.doc figcaption { font-size: .8rem; line-height: 1.35; overflow-wrap: anywhere; }
.doc .mark { font-weight: 600; }
.doc .tries ins { color: #1d8a41 !important; text-decoration: none; }
.doc .tries del { color: #c0392b !important; }
</style>"""
NOW = {
    Status.QUEUED: "Waiting for its turn …",
    Status.PROCESSING: "Being made …",
    Status.WAITING: "The plan waits for approval.",
    Status.SUCCEEDED: "Done.",
}


class Page:
    """`picture` fetches an encoded picture by its digest."""

    def __init__(self, picture: Callable[[str], bytes]) -> None:
        self._picture = picture
        self._fetched: dict[str, str] = {}

    def html(self, document: Document) -> str:
        """The document as it stands."""
        now = NOW.get(document.status) or view.trouble(document)
        drawn = sum(len(entry.attempts) for entry in document.steps)
        told = f"{now} {_count(len(document.steps), 'step')} planned, {_count(drawn, 'picture')} drawn."
        steps = "".join(self._step(step) for step in view.steps(document))
        title = escape(view.title(document))
        return f'{STYLE}<div class="doc"><h2>{title}</h2><p class="now" role="status">{escape(told)}</p>{steps}</div>'

    def _step(self, step: StepView) -> str:
        tries = "".join(self._attempt(attempt, step) for attempt in step.attempts)
        shown = f'<div class="tries">{tries}</div>' if tries else ""
        head = f"<h3>{step.number}. {escape(step.name)}</h3><p>{escape(step.text)}</p>"
        return f"<section>{head}{shown}</section>"

    def _attempt(self, attempt: AttemptView, step: StepView) -> str:
        tags = {"same": "{}", "added": "<ins>{}</ins>", "removed": "<del>{}</del>"}
        prompt = " ".join(tags[piece.kind].format(escape(piece.text)) for piece in attempt.prompt)
        judging = not step.image and attempt.mark == "unjudged" and attempt is step.attempts[-1]
        mark = "being judged" if judging else ", ".join(part for part in (attempt.verdict, attempt.sure) if part)
        alt = escape(f"attempt {attempt.number} at step {step.number}", quote=True)
        return (
            f'<figure class="{"kept" if attempt.kept else ""}"><img src="{self._src(attempt.image)}" alt="{alt}">'
            f'<figcaption><span class="mark">{attempt.number}: {escape(mark)}</span><br>{prompt}</figcaption></figure>'
        )

    def _src(self, image: ImageRef) -> str:
        if image.digest not in self._fetched:
            data = base64.b64encode(self._picture(image.digest)).decode()
            self._fetched[image.digest] = f"data:{image.media_type};base64,{data}"
        return self._fetched[image.digest]


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
