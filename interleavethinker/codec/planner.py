"""The planner's side of the codec: asking for a plan, writing one, reading one whole or while it is being written.

Wire format: paper.md section 2. Whether a plan is a good one, or too long for its request, is not judged here.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence

from interleavethinker.codec.damage import Damage, whole_answer
from interleavethinker.codec.envelope import ANSWER, MAX_CHARS, THINK_END, clean, unwrap, wrap
from interleavethinker.codec.fields import (
    NAME_LIMIT,
    PROMPT_LIMIT,
    TEXT_LIMIT,
    sound_text,
    the_fields,
    the_number,
    the_text,
    the_text_or_none,
)
from interleavethinker.codec.literal import read_literal
from interleavethinker.codec.messages import I, Message
from interleavethinker.codec.notes import in_style, noted
from interleavethinker.codec.packs import Pack
from interleavethinker.codec.scan import ObjectScanner
from interleavethinker.types import IMAGE_MARKER, Brief, Plan, Step

_STEP_FIELDS = ("step_number", "step_name", "instruction", "prompt", "auxiliary_text")
_STEP_DEPTH = 3
_MAX_NUMBER = 9_999


class PlannerCodec:
    """Says briefs and plans as the planner model knows them. Stateless; one serves any number of requests."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack

    def messages(self, brief: Brief, images: Sequence[I]) -> list[Message[I]]:
        """The question. `images` are the brief's, in its order, in whatever form the chat backend or the trainer takes.

        Each stands where its `<image>` marker is; those without a marker come before the text. A brief with images gets
        the pack's interleaved prompt (paper.md section 2, Tasks A and B), one without gets the text-only prompt.
        """
        if len(images) != len(brief.images):
            raise ValueError(f"the brief names {len(brief.images)} images, but {len(images)} were given")
        pieces = brief.prompt.split(IMAGE_MARKER)
        unmarked = len(images) - (len(pieces) - 1)
        text = IMAGE_MARKER * unmarked + IMAGE_MARKER.join(clean(piece) for piece in pieces)
        prompt = self.pack.planner_interleaved if images else self.pack.planner_text
        return prompt.messages({"prompt": noted(text, brief)}, images)

    def to_draw(self, step: Step, brief: Brief) -> Step:
        """The step as it is to be drawn: with the brief's style in its prompt, where the pack says so."""
        return in_style(step, brief.style) if self.pack.style_in_prompts else step

    def canonical(self, plan: Plan) -> Plan:
        """The plan as it comes back from `read(write(plan))`: its texts cleaned."""
        return Plan(
            reasoning=clean(plan.reasoning),
            steps=tuple(
                Step(
                    index=step.index,
                    name=clean(step.name),
                    instruction=_clean_or_none(step.instruction),
                    prompt=_clean_or_none(step.prompt),
                    auxiliary_text=_clean_or_none(step.auxiliary_text),
                )
                for step in plan.steps
            ),
        )

    def write(self, plan: Plan) -> str:
        """The answer, as a model is trained to give it: a Python literal with its fields in a fixed order."""
        plan = self.canonical(plan)
        steps = [
            dict(zip(_STEP_FIELDS, (s.index, s.name, s.instruction, s.prompt, s.auxiliary_text), strict=True))
            for s in plan.steps
        ]
        return wrap(plan.reasoning, repr({"execution_plan": steps}))

    def read(self, text: str) -> Plan:
        """The plan in a whole answer. Raises Malformed."""
        reader = self.reader()
        reader.feed(text)
        return reader.close()

    def reader(self) -> PlanReader:
        """Reads one answer while it is being written."""
        return PlanReader()


class PlanReader:
    """Reads one answer in pieces, however it is cut: each step is known as soon as its object closes.

    There is no second way of reading: `PlannerCodec.read` feeds the whole answer to a reader. Time grows with the
    answer's length, not with the number of pieces.
    """

    def __init__(self) -> None:
        self._text = ""
        self._looked_at = 0
        self._scanner: ObjectScanner | None = None
        self._steps: list[Step] = []

    def feed(self, text: str) -> list[Step]:
        """Take the next piece; return the steps that closed in it. Raises Malformed at the first certain damage."""
        self._text += text
        with whole_answer(self._text):
            if len(self._text) > MAX_CHARS:
                raise Damage("unreadable", f"the answer has more than {MAX_CHARS} characters")
            scanner = self._scanner or self._find_answer()
            if scanner is None:
                return []
            known = len(self._steps)
            for source in scanner.closed(self._text):
                self._steps.append(_step(read_literal(source), after=self._steps[-1] if self._steps else None))
            return self._steps[known:]

    def close(self) -> Plan:
        """The whole plan, once the answer has ended: just the steps that `feed` returned. Raises Malformed."""
        with whole_answer(self._text):
            envelope = unwrap(self._text)
            reasoning = sound_text(envelope.reasoning, "the reasoning")
            steps = _steps(read_literal(envelope.answer))
            if steps != self._steps:
                raise Damage("unreadable", "the answer can be read in two ways")
            return Plan(steps=tuple(steps), reasoning=clean(reasoning))

    def _find_answer(self) -> ObjectScanner | None:
        """The scanner of the answer's body, once `<answer>` has come after the thoughts."""
        thought = self._text.find(THINK_END, self._looked_at)
        if thought < 0:
            self._looked_at = max(0, len(self._text) - len(THINK_END))
            return None
        self._looked_at = thought
        opened = self._text.find(ANSWER, thought)
        if opened >= 0:
            self._scanner = ObjectScanner(start=opened + len(ANSWER), depth=_STEP_DEPTH)
        return self._scanner


def _steps(value: object) -> list[Step]:
    (listed,) = the_fields(value, ("execution_plan",), "the answer")
    if not isinstance(listed, list):
        raise Damage("wrong_types", f"execution_plan must be a list, got {type(listed).__name__}")
    if not listed:
        raise Damage("wrong_fields", "execution_plan holds no step")
    steps: list[Step] = []
    for item in listed:
        steps.append(_step(item, after=steps[-1] if steps else None))
    return steps


def _step(value: object, *, after: Step | None) -> Step:
    """A step from its dict; its number must be the next one `after` the step before, whatever the first one is."""
    number, name, instruction, prompt, auxiliary_text = the_fields(value, _STEP_FIELDS, "a step")
    index = the_number(number, "step_number")
    if not 1 <= index <= _MAX_NUMBER or (after and index != after.index + 1):
        wanted = after.index + 1 if after else f"from 1 to {_MAX_NUMBER}"
        raise Damage("wrong_fields", f"step_number must be {wanted}, got {reprlib.repr(index)}")
    return Step(
        index=index,
        name=the_text(name, "step_name", NAME_LIMIT),
        instruction=the_text_or_none(instruction, "instruction", TEXT_LIMIT),
        prompt=the_text_or_none(prompt, "prompt", PROMPT_LIMIT),
        auxiliary_text=the_text_or_none(auxiliary_text, "auxiliary_text", TEXT_LIMIT),
    )


def _clean_or_none(text: str | None) -> str | None:
    return None if text is None else clean(text)
