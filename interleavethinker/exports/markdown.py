"""document.md: the document's text with links to its pictures, readable as it is. The attempts are on the page only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from interleavethinker.document import Document
from interleavethinker.exports import view
from interleavethinker.exports.provenance import Provenance


def markdown(document: Document, files: Mapping[str, str]) -> str:
    """The document as Markdown. `files` are the kept pictures' paths by digest, relative to the file."""
    return "\n\n".join(_blocks(document, files)) + "\n"


def _blocks(document: Document, files: Mapping[str, str]) -> Iterator[str]:
    yield f"# {_plain(view.title(document))}"
    if trouble := view.trouble(document):
        yield f"> {_plain(trouble)}"
    for step in view.steps(document):
        yield f"## {step.number}. {_plain(step.name)}"
        if step.text:
            yield step.text.replace("<", "&lt;")
        if step.image:
            alt = _plain(step.alt).translate({ord(bracket): None for bracket in "[]"})
            yield f"![{alt}]({files[step.image.digest]})"
        if step.mark == "refused":
            yield f"*{step.note}*"
    made = Provenance.of(document)
    drawn = f" Drawn by {', '.join(made.generators)}." if made.generators else ""
    yield "---"
    yield f"{made.notice}{drawn} Run `{made.run_id}`, seed {made.seed}, {made.software}."


def _plain(text: str) -> str:
    """One line that no Markdown reader takes for HTML."""
    return " ".join(text.split()).replace("<", "&lt;")
