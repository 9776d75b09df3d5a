"""The critic's side of the codec: asking for a verdict, writing one, reading one, and finding its verdict token.

Wire format: paper.md section 2; no score, no threshold. The confidence is not in the text: who has the token's
probability puts it in, with the help of `verdict_offset`.
"""

from __future__ import annotations

import re

from interleavethinker.codec.damage import Damage, whole_answer
from interleavethinker.codec.envelope import ANSWER, THINK_END, clean, unwrap, wrap
from interleavethinker.codec.fields import PROMPT_LIMIT, sound_text, the_bool, the_fields, the_text
from interleavethinker.codec.literal import read_literal
from interleavethinker.codec.messages import I, Message
from interleavethinker.codec.packs import Pack
from interleavethinker.types import Outcome, Verdict

_SUCCESS, _REFINE = "previous_step_success", "refine_prompt"
_TEXT = r"""(?:'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")"""
_BEFORE_VERDICT = re.compile(
    rf"""{ANSWER}\s*(?:```\w*\s*)?\{{\s*(?:{_TEXT}\s*:\s*{_TEXT}\s*,\s*)?(['"]){_SUCCESS}\1\s*:\s*(?=[TtFf])""",
    re.DOTALL,
)


class CriticCodec:
    """Says critiques and verdicts as the critic model knows them. Stateless."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack

    def messages(self, critique_prompt: str, last_prompt: str, before: I, after: I) -> list[Message[I]]:
        """The question about one attempt: the images before and after, the step's original prompt, the last one used.

        Step 1 without an input image: `before` is a blank white image (`codec.images.blank`).
        """
        texts = {"prompt": clean(critique_prompt), "last_prompt": clean(last_prompt)}
        return self.pack.critic.messages(texts, (before, after))

    def canonical(self, verdict: Verdict) -> Verdict:
        """The verdict as it comes back from `read(write(verdict, last_prompt))`: texts cleaned, no confidence, and no
        refined prompt on an accept. Raises ValueError for an abstention, which no model ever writes."""
        if verdict.outcome is Outcome.ABSTAIN:
            raise ValueError("an abstention is the absence of an answer; it cannot be written")
        refined = verdict.refined_prompt if verdict.outcome is Outcome.REVISE else None
        return Verdict(
            outcome=verdict.outcome,
            refined_prompt=None if refined is None else clean(refined),
            reasoning=clean(verdict.reasoning),
        )

    def write(self, verdict: Verdict, last_prompt: str) -> str:
        """The answer, as a model is trained to give it. An accept repeats the last prompt (paper.md section 2)."""
        verdict = self.canonical(verdict)
        body = {_SUCCESS: verdict.outcome is Outcome.ACCEPT, _REFINE: verdict.refined_prompt or clean(last_prompt)}
        return wrap(verdict.reasoning, repr(body))

    def read(self, text: str) -> Verdict:
        """The verdict in a whole answer, its confidence unknown (None). Raises Malformed."""
        with whole_answer(text):
            envelope = unwrap(text)
            reasoning = clean(sound_text(envelope.reasoning, "the reasoning"))
            success, refined = the_fields(read_literal(envelope.answer), (_SUCCESS, _REFINE), "the answer")
            accepted = the_bool(success, _SUCCESS)
            prompt = the_text(refined, _REFINE, PROMPT_LIMIT)
            if accepted:
                return Verdict(outcome=Outcome.ACCEPT, reasoning=reasoning)
            if not prompt:
                raise Damage("wrong_fields", f"{_REFINE} is empty, though the step did not succeed")
            return Verdict(outcome=Outcome.REVISE, refined_prompt=prompt, reasoning=reasoning)

    def verdict_offset(self, text: str) -> int | None:
        """Where the True or False of the verdict starts, in characters, or None while it is not there yet.

        The token there carries the verdict's probability. The word inside a text is not mistaken for the field.
        """
        found = _BEFORE_VERDICT.search(text, max(0, text.find(THINK_END)))
        return found.end() if found else None
