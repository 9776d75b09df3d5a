"""Eyes for tests: files as pictures, pixel by pixel, by the programs that people open them with, where these are."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pypdfium2
from PIL import Image, ImageChops

import interleavethinker.exports
from tests.exports.manuscript import colour

SOFFICE = shutil.which("soffice") or shutil.which("libreoffice")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FONTS = Path(interleavethinker.exports.__file__).parent / "fonts"


class Found(NamedTuple):
    """Where a picture is: on which page, and its box there in pixels."""

    page: int
    left: int
    top: int
    right: int
    bottom: int

    @property
    def shape(self) -> float:
        return (self.right - self.left) / (self.bottom - self.top)


def pages_of(data: bytes | Path, scale: float = 1.0) -> list[Image.Image]:
    with pypdfium2.PdfDocument(data) as opened:
        return [page.render(scale=scale).to_pil().convert("RGB") for page in opened]


def texts_of(data: bytes | Path) -> list[str]:
    with pypdfium2.PdfDocument(data) as opened:
        return [page.get_textpage().get_text_range() for page in opened]


def find(pages: list[Image.Image], number: int) -> list[Found]:
    """The places of the manuscript's picture with this number, known by its colour."""
    found = []
    for place, page in enumerate(pages):
        difference = ImageChops.difference(page, Image.new("RGB", page.size, colour(number)))
        red, green, blue = (band.point(lambda value: 255 * (value <= 3)) for band in difference.split())
        mask = ImageChops.multiply(ImageChops.multiply(red, green), blue)
        if box := mask.getbbox():
            found.append(Found(place, *box))
    return found


def unseen(data: bytes, scale: float = 3.0) -> list[str]:
    """The characters of a PDF where its pages, as they are seen, have no ink."""
    missing = []
    with pypdfium2.PdfDocument(data) as opened:
        for page in opened:
            seen, text, high = page.render(scale=scale).to_pil().convert("L"), page.get_textpage(), page.get_height()
            for place in range(text.count_chars()):
                said = text.get_text_range(place, 1)
                if not said.strip() or not said.isprintable():
                    continue
                left, bottom, right, top = text.get_charbox(place, loose=True)
                box = (left * scale, (high - top) * scale, right * scale, (high - bottom) * scale)
                if box[2] - box[0] < 2:
                    continue  # a mark that stands on its letter
                low, most = seen.crop(tuple(round(edge) for edge in box)).getextrema()
                if most - low < 40:
                    missing.append(said)
    return missing


def office_as_pdf(path: Path) -> Path:
    """What LibreOffice makes of it, with the fonts that are shipped here."""
    profile = path.parent / "office"
    command = [str(SOFFICE), "--headless", f"-env:UserInstallation=file://{profile}", "--convert-to", "pdf"]
    _run([*command, "--outdir", str(path.parent), str(path)], path.parent)
    return path.with_suffix(".pdf")


def browsed(path: Path, size: tuple[int, int]) -> Image.Image:
    """What Chromium shows of it."""
    out = path.with_suffix(".screenshot.png")
    shot = [f"--screenshot={out}", f"--window-size={size[0]},{size[1]}", f"--user-data-dir={path.parent / 'browser'}"]
    _run([str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", *shot, path.as_uri()], path.parent)
    return Image.open(out).convert("RGB")


def _run(command: list[str], folder: Path) -> None:
    config = folder / "fonts.conf"
    system = '<include ignore_missing="yes">/etc/fonts/fonts.conf</include>'
    config.write_text(f'<?xml version="1.0"?><fontconfig>{system}<dir>{FONTS}</dir></fontconfig>')
    environment: dict[str, Any] = {**os.environ, "FONTCONFIG_FILE": str(config)}
    subprocess.run(command, check=True, timeout=120, env=environment, capture_output=True)
