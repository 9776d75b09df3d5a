"""How long the models of a GPU house take: the latencies of the stand-ins, derived from computed roofs, and the floor
that they set to a document.

Nobody has measured these here: they are computed for an H100 (989 TFLOP/s BF16 dense, 3.35 TB/s), 1024 px, 4 denoising
steps, and stand for an honest order of magnitude. A drawing is compute-bound: its TFLOP over 60% of the roof.
  text-to-image  4B: 139 TFLOP -> 0.24 s   9B: 302 -> 0.51 s
  edit, 1 ref.   4B: 307 -> 0.52 s         9B: 645 -> 1.09 s
  9B with the reference's keys and values reused: the first of the four denoising steps is an edit's (645 / 4 = 161),
  the other three a text-to-image's (3 x 302 / 4 = 227) and a tenth more for attending to what is kept: 411 -> 0.69 s.
A language model of 8B decodes memory-bound: 250 tokens in 1.8 s in BF16 are 7.2 ms a token; FP8 halves the weights'
bytes, not the cache's and the launches': 4 ms. Both pictures are prefilled in 0.09 s (FP8: 0.06).
A plan is about 1,300 tokens for 8 steps: 162 a step, each a step's object, the first closed after an eighth of it.
A critic's answer is about 250 tokens. Our prompt packs ask for the thoughts first, so its verdict stands late, after
about 180 tokens; what follows on an accept is the last prompt once more, and there `stop_on_accept` ends the answer.
Sharing: each further answer that a language model writes at the same time costs all of them 3% (continuous batching).

Deliberately not here: waiting (`standins`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

DENOISE_STEPS = 4
PLAN_TOKENS_A_STEP = 162
VERDICT_TOKENS, ANSWER_TOKENS = 180, 250
SHARING = 0.03
"""What each further answer at the same time adds to the seconds of a token."""


class Profile(NamedTuple):
    """Seconds of a GPU house: a drawing from text, an edit, a token, and the critic's prefill."""

    name: str
    text_to_image: float
    edit: float
    token: float
    prefill: float

    def draw(self, *, edits: bool) -> float:
        return self.edit if edits else self.text_to_image

    def judge(self, tokens: int) -> float:
        return self.prefill + tokens * self.token

    def closes(self, step: int) -> float:
        """When the planner closes the step, from the asking."""
        return step * PLAN_TOKENS_A_STEP * self.token

    def paced(self, pace: float) -> Profile:
        """All its seconds times `pace`."""
        return Profile(self.name, *(seconds * pace for seconds in self[1:]))


PROFILES = (
    Profile("9b", text_to_image=0.51, edit=1.09, token=0.0072, prefill=0.09),
    Profile("9b-kv", text_to_image=0.51, edit=0.69, token=0.004, prefill=0.06),
    Profile("4b", text_to_image=0.24, edit=0.52, token=0.0072, prefill=0.09),
)

Accepts = Callable[[int, int], bool]
"""Whether the critic accepts this step's attempt (both from 1)."""


class Floor(NamedTuple):
    """Seconds that no loop with the same answers can go below, with workers and language models for everything at once
    and nothing else to do. `whole`: every drawing is begun on a guess as soon as the picture under it is there, however
    many verdicts are open. `one_ahead`: at most one step is drawn before the verdict on the one under it."""

    whole: float
    one_ahead: float


def floor(
    profile: Profile,
    steps: int,
    attempts: int,
    accepts: Accepts,
    *,
    independent: bool = False,
    candidates: int = 1,
) -> Floor:
    """Of a document of `steps` steps with at most `attempts` each. `independent`: none is drawn from the one before it.
    `candidates`: so many at once of each redraw."""
    to_verdict, to_end = profile.judge(VERDICT_TOKENS), profile.judge(ANSWER_TOKENS)
    whole, end = 0.0, 0.0
    verdict, may_draw = 0.0, 0.0  # of the one-ahead schedule: the last verdict, and since when the next may be drawn
    for step in range(1, steps + 1):
        drawing = profile.draw(edits=step > 1 and not independent)
        whole = profile.closes(step) if independent else max(whole, profile.closes(step))
        may_draw = max(may_draw, profile.closes(step))
        for number in (1, *range(2, attempts + 1, candidates)):
            group = range(number, min(number + (candidates if number > 1 else 1), attempts + 1))
            verdicts = [accepts(step, each) for each in group]
            whole += drawing
            drawn = may_draw + drawing
            judging = max(drawn, verdict)
            if any(verdicts):
                said = to_verdict if all(verdicts) else to_end
                whole += 0.0 if all(verdicts) else to_end  # which one stands is known with the last verdict
                end = max(end, whole + (said if all(verdicts) else 0.0))
                verdict, may_draw = judging + said, judging
                break
            whole += to_end
            verdict = may_draw = judging + to_end
        end = max(end, whole)
    return Floor(end, verdict)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie, between neighbours in proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
