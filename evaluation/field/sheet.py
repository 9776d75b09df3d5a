"""The contact sheet: what each row drew for the same questions, side by side, with what was found of it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from evaluation.field.items import Answer, Item

THUMB, GAP, LINES, ITEMS, ACROSS = 128, 8, 7, 16, 4
WORDS = 34  # characters in a line of the question's column


def contact_sheet(
    items: Sequence[Item],
    rows: Mapping[str, Mapping[str, Answer]],
    notes: Mapping[str, Mapping[str, str]],
    path: Path,
    title: str,
) -> None:
    """Up to 16 questions, each row's first three pictures and its last. `notes`: a line under an answer, by row and
    item."""
    shown = [item for item in items if any(item.id in answers for answers in rows.values())][:ITEMS]
    small, bold = ImageFont.load_default(13), ImageFont.load_default(15)
    left, wide, high = 250, ACROSS * (THUMB + 4) + GAP * 2, THUMB + 30
    sheet = Image.new("RGB", (left + wide * len(rows), 60 + high * max(1, len(shown))), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP), title, "black", bold)
    for column, row in enumerate(rows):
        draw.text((left + wide * column, 34), row.replace("_", " "), "black", bold)
    for line, item in enumerate(shown):
        top = 60 + high * line
        draw.line((0, top - 4, sheet.width, top - 4), "#dddddd")
        asked = textwrap.wrap(f"{item.id}  {item.prompt}", WORDS, max_lines=LINES, placeholder=" …")
        draw.multiline_text((GAP, top), "\n".join(asked), "black", small)
        for column, (row, answers) in enumerate(rows.items()):
            at = left + wide * column
            answer = answers.get(item.id)
            images = answer.images if answer else []
            for place, image in enumerate(images if len(images) <= ACROSS else [*images[: ACROSS - 1], images[-1]]):
                with Image.open(image) as picture:
                    thumb = picture.convert("RGB")
                    thumb.thumbnail((THUMB, THUMB))
                sheet.paste(thumb, (at + place * (THUMB + 4), top))
            if not images:
                draw.text(
                    (at, top + THUMB // 2), f"no picture ({answer.status if answer else 'not asked'})", "gray", small
                )
            many = f"{len(images)} pictures  " if len(images) > ACROSS else ""
            draw.text((at, top + THUMB + 3), many + notes.get(row, {}).get(item.id, ""), "#444444", small)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
