"""document.md: the document's text with its pictures, readable as it is. The attempts are on the page only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from interleavethinker.document import Document
from interleavethinker.exports import view
from interleavethinker.exports.pictures import data_url, enlarged
from interleavethinker.exports.scripts import clean
from interleavethinker.exports.shown import Shown


def markdown(document: Document, files: Mapping[str, str], *, shown: Shown) -> str:
    """The document as Markdown. `files` are the pictures' paths by digest, relative to the file."""
    return "\n\n".join(_blocks(document, shown, {digest: f"({path})" for digest, path in files.items()})) + "\n"


def make(shown: Shown) -> bytes:
    """One file: the pictures are in it as data: URLs, at the end, where they are in no reader's way."""
    refs = [*shown.document.request.brief.images, *(step.image for step in view.steps(shown.document) if step.image)]
    # The digest is in the names so that no link definition in a model's text can be taken for one of these.
    names = {
        ref.digest: f"picture-{number}-{ref.digest[:12]}" for number, ref in enumerate(dict.fromkeys(refs), start=1)
    }
    text = "\n\n".join(_blocks(shown.document, shown, {digest: f"[{name}]" for digest, name in names.items()}))
    media = {ref.digest: ref.media_type for ref in refs}
    ends = [f"[{name}]: {data_url(enlarged(shown.images[it]), media[it])}" for it, name in names.items()]
    return "\n\n".join([text, *ends, ""]).encode()


def _blocks(document: Document, shown: Shown, targets: Mapping[str, str]) -> Iterator[str]:
    yield f"# {_plain(shown.title)}"
    if shown.brief:
        yield f"> {_plain(shown.brief)}"
    if shown.trouble:
        yield f"> {_plain(shown.trouble)}"
    for number, image in enumerate(document.request.brief.images, start=1):
        yield f"![Picture {number} of the request]{targets[image.digest]}"
    for step in view.steps(document):
        yield f"## {step.number}. {_plain(step.name)}"
        for text in (step.instruction, step.auxiliary):
            if text:
                yield clean(text).replace("<", "&lt;").replace("![", "[")  # a picture from elsewhere is only a link
        if step.image:
            alt = _plain(step.alt).translate({ord(bracket): None for bracket in "[]\\`"})
            yield f"![{alt}]{targets[step.image.digest]}"
        if step.warning:
            yield f"*{step.warning}*"
    yield "---"
    yield shown.made.notice
    yield "\n".join(f"- {name}: {_plain(value)}" for name, value in shown.about)


def _plain(text: str) -> str:
    """One line that no Markdown reader takes for HTML."""
    return " ".join(clean(text).split()).replace("<", "&lt;")
