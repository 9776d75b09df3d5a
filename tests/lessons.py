"""A few questions with their answers, and a tiny real Qwen3-VL that knows them by heart.

It goes through the same files and classes as the small world's checkpoints, where a test needs no more than that.
"""

from __future__ import annotations

import atexit
import io
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from interleavethinker.codec import CriticCodec, Message, PlannerCodec, load_pack
from interleavethinker.types import Brief, Outcome, Plan, Step, Verdict

PACK = load_pack("compact")
PLANNER, CRITIC = PlannerCodec(PACK), CriticCodec(PACK)


def picture(colour: str, side: int = 64) -> bytes:
    """A plain PNG."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "PNG")
    return file.getvalue()


class Lesson(NamedTuple):
    messages: list[Message[bytes]]
    answer: str


BRIEF = Brief(prompt="a boat at night")
PLAN = Plan(
    reasoning="a boat, then a moon",
    steps=(
        Step(index=1, name="a", instruction="the boat.", prompt="a red boat at the top left"),
        Step(index=2, name="b", prompt="a moon", auxiliary_text="“night” 🌙"),
    ),
)
PROMPT = "place a red boat"
BEFORE, WRONG, RIGHT = picture("white"), picture("red"), picture("blue")
REVISE = Verdict(outcome=Outcome.REVISE, reasoning="no “boat” 🌙", refined_prompt="place a red boat at the top left")
ACCEPT = Verdict(outcome=Outcome.ACCEPT, reasoning="a boat")

PLANNING = Lesson(PLANNER.messages(BRIEF, []), PLANNER.write(PLAN))
REVISING = Lesson(CRITIC.messages(PROMPT, PROMPT, BEFORE, WRONG), CRITIC.write(REVISE, PROMPT))
ACCEPTING = Lesson(CRITIC.messages(PROMPT, PROMPT, BEFORE, RIGHT), CRITIC.write(ACCEPT, PROMPT))
LESSONS = (PLANNING, REVISING, ACCEPTING)


@cache
def taught() -> Path:
    """The directory of a model that has learned `LESSONS`; made once a test run, in about three seconds."""
    from tests import tiny

    directory = Path(tempfile.mkdtemp(prefix="taught-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    tiny.build(directory, texts=[lesson.answer for lesson in LESSONS])
    return tiny.teach(directory, LESSONS, steps=90)
