"""document.html: one file that opens anywhere, offline, with every picture in it and no script.

Model text is untrusted: the template escapes it, Markdown in it is rendered without HTML and then cleaned, and the
page's own policy forbids it to load anything.
"""

from __future__ import annotations

from collections.abc import Mapping

import nh3
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from interleavethinker.document import Document
from interleavethinker.exports import view
from interleavethinker.exports.pictures import SMALL, data_url
from interleavethinker.exports.prose import MARKDOWN
from interleavethinker.exports.scripts import clean, direction_of
from interleavethinker.exports.shown import Shown
from interleavethinker.types import ImageRef

_TAGS = {
    "p", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "br", "hr", "h3", "h4", "h5", "h6", "a",
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


def make(shown: Shown) -> bytes:
    return page(shown.document, shown.images, shown=shown).encode()


def page(document: Document, images: Mapping[str, bytes], *, shown: Shown | None = None) -> str:
    """The document as HTML. `images` are the encoded pictures by digest, as `Document.images` names them."""

    def src(image: ImageRef) -> str:
        return data_url(images[image.digest], image.media_type)

    templates = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    templates.filters.update(
        src=src, prose=prose, direction=direction_of, crisp=lambda image: max(image.width, image.height) < SMALL
    )
    shown = shown or Shown.of(document, images)
    return templates.get_template("document.html.j2").render(
        document=document, shown=shown, steps=view.steps(document), made=shown.made
    )


def prose(text: str) -> Markup:
    """A model's text, which may be Markdown, as harmless HTML; each paragraph runs as its letters do."""
    html = MARKDOWN.render(clean(text))
    for tag in ("p", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "table"):
        html = html.replace(f"<{tag}>", f'<{tag} dir="auto">')
    return Markup(nh3.clean(html, tags=_TAGS, attributes={"a": {"href"}, "*": {"dir"}}, url_schemes={"https"}))
