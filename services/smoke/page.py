"""The page: the verdict, a line for each thing tried, and the pictures, in one file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import jinja2

from services.smoke.line import Line

_TEMPLATES = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True)


def verdict(lines: Sequence[Line]) -> str:
    """FAIL where a line failed or was skipped, SLOW where one was slow, else PASS."""
    outcomes = {line.outcome for line in lines}
    return "FAIL" if outcomes & {"FAIL", "SKIP"} else "SLOW" if "SLOW" in outcomes else "PASS"


def page(lines: Sequence[Line], facts: dict[str, str]) -> str:
    """HTML. `facts` stand under the verdict."""
    pictures = [
        (caption, "data:image/png;base64," + base64.b64encode(data).decode())
        for line in lines
        for caption, data in line.pictures
        if data
    ]
    return _TEMPLATES.get_template("page.html.j2").render(
        verdict=verdict(lines), lines=lines, facts=facts, pictures=pictures, now=datetime.now(UTC)
    )
