"""What a person sees in the terminal while a run goes on."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from rich.console import Console

from interleavethinker.client import Client
from interleavethinker.events import Judged, Recorded
from interleavethinker.live import THUMBNAIL, Telling, thumbnail
from interleavethinker.types import Outcome, Verdict
from tests.newcomer.documents import BEGAN
from tests.newcomer.orchestra import PROMPT, orchestra


def told(home: Path, console: Console) -> str:
    with orchestra(home) as url, Client(url) as client:
        run = client.ask(PROMPT)
        telling = Telling(console, lambda digest: client.image(run, digest))
        for recorded in client.follow(run):
            telling.tell(recorded)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_each_event_is_a_line_of_plain_text(tmp_path: Path):
    text = told(tmp_path, Console(file=io.StringIO(), width=100))
    lines = [line.split("  0.0 s")[0].rstrip() for line in text.splitlines()]
    for line in (
        "plan  2. step 2  Now a red hat",
        "  draw  a red hat",
        "  judge not right, 80% sure",
        "  draw  again  a red hat at b2",
        "  judge accepted, 95% sure",
        "  answer 3",
        "succeeded",
    ):
        assert line in lines
    assert "\x1b" not in text
    assert "▀" not in text


def test_pictures_where_the_terminal_shows_colours(tmp_path: Path):
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="truecolor")
    columns, half_lines = THUMBNAIL
    assert told(tmp_path, console).count("▀") == 2 * columns * half_lines / 2, "two steps have a picture"


def test_a_thumbnail_has_a_pixels_pair_in_each_character():
    out = io.BytesIO()
    picture = Image.new("RGB", (2, 2), "red")
    picture.putpixel((1, 1), (0, 0, 255))
    picture.save(out, "PNG")
    text = thumbnail(out.getvalue())
    assert text.plain == "▀▀"
    assert [str(span.style) for span in text.spans] == ["#ff0000 on #ff0000", "#ff0000 on #0000ff"]


def test_faults_and_model_text_that_looks_like_markup():
    console = Console(file=io.StringIO(), width=100)
    telling = Telling(console, lambda _: b"")
    for reasoning in ("meadow a1 empty b1 yellow sun but empty c1 empty", "It is [bold]wrong[/bold]."):
        verdict = Verdict(outcome=Outcome.REVISE, refined_prompt="x", reasoning=reasoning)
        event = Judged(step=1, number=1, verdict=verdict)
        telling.tell(Recorded(run_id="run", seq=1, at=BEGAN, event=event))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "b1 yellow sun, but empty" in text
    assert "It is [bold]wrong[/bold]." in text
