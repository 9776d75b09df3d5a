"""document.html: one file that opens anywhere, offline, with every picture in it and no script.

Model text is untrusted: the template escapes it, Markdown in it is rendered without HTML and then cleaned, and the
page's own policy forbids it to load anything.
"""

from __future__ import annotations

from collections.abc import Mapping

import nh3
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from interleavethinker.document import Document
from interleavethinker.exports import view
from interleavethinker.exports.pictures import SMALL, data_url
from interleavethinker.exports.provenance import Provenance
from interleavethinker.types import ImageRef

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_TAGS = {
    "p", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "br", "hr", "h3", "h4", "h5", "h6", "a",
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


def page(document: Document, images: Mapping[str, bytes]) -> str:
    """The document as HTML. `images` are the encoded pictures by digest, as `Document.images` names them."""

    def src(image: ImageRef) -> str:
        return data_url(images[image.digest], image.media_type)

    templates = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(src=src, prose=prose, crisp=lambda image: max(image.width, image.height) < SMALL)
    return templates.get_template("document.html.j2").render(
        document=document,
        title=view.title(document),
        trouble=view.trouble(document),
        steps=view.steps(document),
        made=Provenance.of(document),
    )


def prose(text: str) -> Markup:
    """A model's text, which may be Markdown, as harmless HTML."""
    return Markup(nh3.clean(_MARKDOWN.render(text), tags=_TAGS, attributes={"a": {"href"}}, url_schemes={"https"}))
