"""What a teacher's run will cost, before anything is asked: requests, calls, pictures, tokens, money.

An estimate from the recipe's own expectations (steps of a plan, draws of a step) and the length of the prompts; prices
are the recipe's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from interleavethinker.codec import load_pack
from training.data.recipe import Endpoint, RealWorld, Sizes
from training.data.replies import CHARACTERS
from training.vlm_judge import EDIT, LOOKS, RULES

KEPT = 0.4
"""Share of attempts that is left after filter and balance; small-world runs kept a quarter to a half."""
PLAN_TOKENS, VERDICT_TOKENS, SCORE_TOKENS = 1500, 400, 80


@dataclass(frozen=True)
class Estimate:
    """`cost` is in the recipe's currency."""

    requests: int
    documents: int
    calls: int
    images: int
    tokens_in: int
    tokens_out: int
    cost: float

    def lines(self) -> list[str]:
        return [
            f"about {self.requests:,} requests are planned, {self.documents:,} of them drawn",
            f"about {self.images:,} pictures are drawn, and {self.calls:,} calls to the teacher and the judge are made",
            f"about {self.tokens_in / 1e6:,.1f} million tokens in, {self.tokens_out / 1e6:,.1f} million out",
            f"about {self.cost:,.2f} at the recipe's prices",
        ]


def estimate(real: RealWorld, sizes: Sizes) -> Estimate:
    """For a run from nothing; what is on disk already is not asked again."""
    judge = real.judge or real.teacher
    per_document = min(15.0, real.steps_expected * real.attempts_expected)
    documents = math.ceil((sizes.critic + sizes.rl) / (per_document * KEPT))
    requests = max(documents, math.ceil(sizes.planner * (1 - real.interleaved)))
    images = round(documents * per_document)
    described = round(min(sizes.planner * real.interleaved / 2, documents))
    pack = load_pack(real.pack)
    planning = _tokens(pack.planner_text.system) + 60
    verdict = _tokens(pack.critic.system) + 120 + 2 * real.image_tokens
    scoring = _tokens(RULES + EDIT) + _tokens(RULES + LOOKS) + 3 * real.image_tokens
    describing = planning + round(real.steps_expected * real.image_tokens)
    teacher_in = requests * planning + described * describing + images * verdict
    teacher_out = (requests + described) * PLAN_TOKENS + images * VERDICT_TOKENS
    judge_in, judge_out = images * scoring, images * 2 * SCORE_TOKENS
    drawing = sum(drawer.price_per_image for drawer in real.generators) / len(real.generators)
    return Estimate(
        requests=requests,
        documents=documents,
        calls=requests + described + 3 * images,
        images=images,
        tokens_in=teacher_in + judge_in,
        tokens_out=teacher_out + judge_out,
        cost=_price(real.teacher, teacher_in, teacher_out) + _price(judge, judge_in, judge_out) + images * drawing,
    )


def _price(endpoint: Endpoint, tokens_in: int, tokens_out: int) -> float:
    return (tokens_in * endpoint.price_in + tokens_out * endpoint.price_out) / 1e6


def _tokens(text: str | None) -> int:
    return len(text or "") // CHARACTERS
