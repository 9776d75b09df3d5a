"""10,000 mutated answers: whatever is done to an answer, reading it gives a value or Malformed, whole or in pieces."""

from __future__ import annotations

import random

from interleavethinker.codec import CriticCodec, PlannerCodec
from interleavethinker.errors import Malformed
from interleavethinker.types import Outcome, Plan, Step, Verdict
from tests.codec.values import CRITIC, FRAGMENTS, MARKERS, PLANNER

PLAN = Plan(
    reasoning="First the base, then the hat.",
    steps=(
        Step(index=1, name="Base", instruction="Don't hurry.", prompt='a "snow" ball', auxiliary_text="C:\\x"),
        Step(index=2, name="Hat", instruction=None, prompt="add a red hat\nabove", auxiliary_text="Ça y est 😀"),
        Step(index=3, name="Done", auxiliary_text="It's {ready}"),
    ),
)
REVISE = Verdict(outcome=Outcome.REVISE, refined_prompt="add the man's 'red' hat", reasoning="no hat")
SOUND = (
    PLANNER.write(PLAN),
    CRITIC.write(REVISE, "add a hat"),
    CRITIC.write(Verdict(outcome=Outcome.ACCEPT), "add a hat"),
    '<think>r</think>\n<answer>```json\n{"previous_step_success": false, "refine_prompt": "p"}\n```</answer>',
)


def mutated(text: str, rng: random.Random) -> str:
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice((1, 1, 2, 5, 40)))
        put = rng.choice((*FRAGMENTS, *MARKERS, chr(rng.randrange(1, 0x11000)), "\ud83d", "}, {", "False", "0"))
        text = rng.choice(
            (
                text[:start] + put + text[start:],
                text[:start] + text[end:],
                text[:start] + put + text[end:],
                text[:start] if rng.random() < 0.3 else text[start:],
                text[:end] + text[start:end] * rng.choice((1, 2, 30)) + text[end:],
            )
        )
    return text


def reading(codec: PlannerCodec | CriticCodec, text: str) -> Plan | Verdict | str:
    """The value, or the reason why there is none. Anything but Malformed fails the test."""
    try:
        return codec.read(text)
    except Malformed as malformed:
        return malformed.reason


def streaming(text: str, rng: random.Random) -> Plan | str:
    reader = PLANNER.reader()
    steps: list[Step] = []
    try:
        while text:
            size = rng.randrange(1, 60)
            steps += reader.feed(text[:size])
            text = text[size:]
        plan = reader.close()
    except Malformed as malformed:
        return malformed.reason
    assert plan.steps == tuple(steps)
    return plan


def test_ten_thousand_mutated_answers() -> None:
    rng = random.Random(20260613)
    read = malformed = 0
    for number in range(10_000):
        text = mutated(SOUND[0] if number % 2 else rng.choice(SOUND), rng)
        plan = reading(PLANNER, text)
        assert streaming(text, rng) == plan
        for value in (plan, reading(CRITIC, text)):
            read += not isinstance(value, str)
            malformed += isinstance(value, str)
    assert read > 500 and malformed > 5_000, "the mutations must reach both sides of the line"
