"""What python-docx has no words for, as the format's own elements: right to left, languages, links, rules, fields."""

from __future__ import annotations

from typing import Any

from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from interleavethinker.exports.office import WIDE_SCRIPTS
from interleavethinker.exports.scripts import Direction

_AFTER_BIDI = (
    "w:adjustRightInd", "w:snapToGrid", "w:spacing", "w:ind", "w:contextualSpacing", "w:mirrorIndents",
    "w:suppressOverlap", "w:jc", "w:textDirection", "w:textAlignment", "w:outlineLvl", "w:rPr", "w:sectPr",
)  # fmt: skip
_IN_RUN = (
    "w:rStyle", "w:rFonts", "w:b", "w:bCs", "w:i", "w:iCs", "w:color", "w:sz", "w:szCs", "w:u", "w:rtl", "w:cs",
    "w:lang",
)  # fmt: skip
"""The order that the format wants the children of paragraph and run properties in, of those that stand there."""


def right_to_left(paragraph: Any) -> None:
    paragraph._p.get_or_add_pPr().insert_element_before(OxmlElement("w:bidi"), *_AFTER_BIDI)


def table_right_to_left(table: Any) -> None:
    table._tbl.tblPr.append(OxmlElement("w:bidiVisual"))


def rule(paragraph: Any) -> None:
    """A line below the paragraph."""
    borders, line = OxmlElement("w:pBdr"), OxmlElement("w:bottom")
    for name, value in (("val", "single"), ("sz", "4"), ("space", "1"), ("color", "BBBBBB")):
        line.set(qn(f"w:{name}"), value)
    borders.append(line)
    paragraph._p.get_or_add_pPr().append(borders)


def field(paragraph: Any, name: str, run: Any) -> None:
    """A field such as PAGE, which looks like the run."""
    made = OxmlElement("w:fldSimple")
    made.set(qn("w:instr"), name)
    made.append(run._r)
    paragraph._p.append(made)


def plain_bullets(paper: Any) -> None:
    """The template's bullets are signs of the font Symbol, which is not everywhere."""
    for level in paper.part.numbering_part.element.iter(qn("w:lvl")):
        if level.find(qn("w:numFmt")).get(qn("w:val")) == "bullet":
            level.find(qn("w:lvlText")).set(qn("w:val"), "\u2022")
            for fonts in list(level.iter(qn("w:rFonts"))):
                fonts.getparent().remove(fonts)


def add(properties: Any, name: str, value: str | None = None) -> Any:
    element = OxmlElement(name)
    if value is not None:
        element.set(qn("w:val"), value)
    properties.insert_element_before(element, *_IN_RUN[_IN_RUN.index(name) + 1 :])
    return element


def language_of_run(properties: Any, language: str, direction: Direction) -> None:
    wide = language.partition("-")[0] in WIDE_SCRIPTS
    name = "w:bidi" if direction == "rtl" else "w:eastAsia" if wide else "w:val"
    add(properties, "w:lang").set(qn(name), language)


def link(paragraph: Any, href: str, run: Any) -> Any:
    made = OxmlElement("w:hyperlink")
    made.set(qn("r:id"), paragraph.part.relate_to(href, RELATIONSHIP_TYPE.HYPERLINK, is_external=True))
    made.append(run)
    return made
