"""Makes the fonts that the PDF export carries (interleavethinker/exports/fonts) from whole Noto fonts.

    python deploy/subset_fonts.py FOLDER   # with Debian's fonts-noto-core and fonts-noto-cjk, and NotoEmoji-Regular.ttf

Needs fonttools. Kept: what texts use (all letters, marks and shaping of each script; of CJK the national standards'
characters, with each region's own forms). Left out: hinting, and features that a text has to ask for.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools import subset

OUT = Path(__file__).parent.parent / "interleavethinker/exports/fonts"
LATIN = (
    *range(0x20, 0x530),
    *range(0x1D00, 0x1DC0),
    *range(0x1E00, 0x2070),
    *range(0x2070, 0x20D0),
    *range(0x2100, 0x2190),
)
SCRIPTS = (
    "Arabic", "Armenian", "Bengali", "Devanagari", "Ethiopic", "Georgian", "Gujarati", "Gurmukhi", "Hebrew", "Kannada",
    "Khmer", "Lao", "Malayalam", "Myanmar", "Sinhala", "Tamil", "Telugu", "Thai",
)  # fmt: skip
BOLD = ("Arabic", "Devanagari", "Hebrew")
KANJI_AND_KANA, HANGUL = "euc_jp", range(0xAC00, 0xD7A4)
OTHER_CJK = (
    *range(0x2E80, 0x2FE0), *range(0x3000, 0x3100), *range(0x3100, 0x3130), *range(0x3130, 0x3190),
    *range(0x31A0, 0x31C0), *range(0x31F0, 0x3400), *range(0xFE30, 0xFE50), *range(0xFF00, 0xFFF0),
)  # fmt: skip


def main(source: Path) -> None:
    for style in ("Regular", "Bold", "Italic"):
        made(source, f"NotoSans-{style}.ttf", LATIN)
    for script in SCRIPTS:
        for style in ("Regular", "Bold") if script in BOLD else ("Regular",):
            made(source, f"NotoSans{script}-{style}.ttf", None)
    made(source, "NotoSansSymbols2-Regular.ttf", range(0x2190, 0x2C00))
    made(source, "NotoSansMath-Regular.ttf", (*range(0x2190, 0x2400), *range(0x27C0, 0x2B00)))
    made(source, "NotoEmoji-Regular.ttf", None)
    cjk = {
        *standard("gb2312"),
        *standard(KANJI_AND_KANA),
        *standard("big5", rows=range(0xA1, 0xC7)),
        *HANGUL,
        *OTHER_CJK,
    }
    made(
        source,
        "NotoSansCJK-Regular.ttc",
        cjk - (set(LATIN) - set(range(0x2010, 0x2050))),
        out="NotoSansCJKsc-Regular.otf",
        features=("locl", "ccmp"),
    )


def standard(codec: str, rows: range = range(0xA1, 0xFF)) -> set[int]:
    """The characters of a national standard, read off Python's codec for it."""
    cells = [bytes((row, cell)) for row in rows for cell in (*range(0x40, 0x7F), *range(0xA1, 0xFF))]
    return {ord(each) for cell in cells for each in cell.decode(codec, "ignore")}


def made(source, name, characters, *, out="", features=("*",)) -> None:  # type: ignore[no-untyped-def]
    (path,) = source.rglob(name)
    options = subset.Options()
    options.hinting = False
    options.notdef_outline = True
    options.layout_features = list(features) if "*" not in features else subset.Options().layout_features
    options.font_number = 2 if path.suffix == ".ttc" else -1  # the face whose forms are those of simplified Chinese
    font = subset.load_font(str(path), options)
    kept = set(font.getBestCmap()) if characters is None else set(characters)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=kept)
    subsetter.subset(font)
    subset.save_font(font, str(OUT / (out or name)), options)
    print(out or name, len(font.getBestCmap()), "characters", (OUT / (out or name)).stat().st_size, "bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
