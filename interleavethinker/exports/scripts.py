"""What can be told of a text by its characters: the language that its script suggests, its direction, its width.

Script is no language: Latin letters are taken for English, the language of the exports' own words, unless the caller
says otherwise; Han characters beside kana are Japanese, alone Chinese.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Literal

from interleavethinker.errors import BadRequest

Direction = Literal["ltr", "rtl"]
_SCRIPTS = {
    "ja": "\u3040-\u30ff\u31f0-\u31ff",
    "ko": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "zh": "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "ar": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefe",
    "he": "\u0590-\u05ff\ufb1d-\ufb4f",
    "hi": "\u0900-\u097f",
    "bn": "\u0980-\u09ff",
    "pa": "\u0a00-\u0a7f",
    "gu": "\u0a80-\u0aff",
    "ta": "\u0b80-\u0bff",
    "te": "\u0c00-\u0c7f",
    "kn": "\u0c80-\u0cff",
    "ml": "\u0d00-\u0d7f",
    "si": "\u0d80-\u0dff",
    "th": "\u0e00-\u0e7f",
    "lo": "\u0e80-\u0eff",
    "my": "\u1000-\u109f",
    "ka": "\u10a0-\u10ff",
    "am": "\u1200-\u137f",
    "km": "\u1780-\u17ff",
    "hy": "\u0530-\u058f",
    "el": "\u0370-\u03ff\u1f00-\u1fff",
    "ru": "\u0400-\u052f",
    "en": "A-Za-z\u00c0-\u024f\u1e00-\u1eff",
}
_SAME_LETTERS = {
    "ar": ("ckb", "fa", "ps", "sd", "ug", "ur"),
    "he": ("yi",),
    "hi": ("mr", "ne", "sa"),
    "bn": ("as",),
    "am": ("ti",),
    "zh": ("ja", "ko"),
    "ru": ("be", "bg", "kk", "ky", "mk", "mn", "sr", "tg", "uk"),
}
"""Further languages by the one that their script is taken for."""
_LETTERS = {language: re.compile(f"[{letters}]") for language, letters in _SCRIPTS.items()}
_RTL = frozenset({"ar", "dv", "fa", "he", "iw", "ku", "ps", "sd", "ug", "ur", "yi"})
_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
# Not characters, or none that a document may hold (XML 1.0, section 2.2): models have been seen to write such.
_BARRED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def clean(text: str) -> str:
    """The text without what no file format takes: control characters and halves of characters."""
    return _BARRED.sub("", text)


def language_tag(tag: str) -> str:
    """A BCP 47 tag as it is written. Raises BadRequest when it is none."""
    if not _TAG.fullmatch(tag):
        raise BadRequest(f"{tag[:40]!r} is no language tag; write one such as 'de' or 'pt-BR'")
    first, *rest = tag.split("-")
    return "-".join([first.lower(), *(each.upper() if len(each) == 2 else each.title() for each in rest)])


def language_of(text: str, otherwise: str = "en") -> str:
    """The language that most of the text's letters suggest; `otherwise` where it is written in these too, and for Latin
    letters and a text without any."""
    found = Counter({language: len(letters.findall(text)) for language, letters in _LETTERS.items()})
    if found["ja"] and found["ja"] * 10 >= found["zh"]:
        found["ja"] += found.pop("zh")
    # A Latin word or two in another script's sentence does not make it English: each of its letters says less.
    found["en"] //= 3
    language, count = found.most_common(1)[0]
    known = otherwise.partition("-")[0]
    if not count or language in ("en", known) or known in _SAME_LETTERS.get(language, ()):
        return otherwise
    return language


def direction_of(text: str, otherwise: Direction = "ltr") -> Direction:
    """Which way a paragraph runs: as its first letter does (Unicode's rule P2)."""
    for each in text:
        kind = unicodedata.bidirectional(each)
        if kind in ("R", "AL"):
            return "rtl"
        if kind == "L":
            return "ltr"
    return otherwise


def direction_of_language(language: str) -> Direction:
    return "rtl" if language.partition("-")[0] in _RTL else "ltr"


def width(text: str) -> float:
    """About how wide the text is set, in ems: wide characters one, others somewhat over a half."""
    return sum(
        0.0 if unicodedata.combining(each) else 1.0 if unicodedata.east_asian_width(each) in "WF" else 0.54
        for each in text
    )
