"""Notes on style and characters: how a planner is told of them, and how a drawing prompt takes the style in.

Both packs say them in the same words, after the request; whether drawing prompts take the style in is the pack's to
say. Deliberately not here: what may stand in a note (the door says that).
"""

from __future__ import annotations

from interleavethinker.codec.envelope import clean
from interleavethinker.codec.fields import PROMPT_LIMIT
from interleavethinker.types import Brief, Step


def noted(text: str, brief: Brief) -> str:
    """The request's text with its notes after it; the same text where there are none."""
    notes = (("Style of every picture", brief.style), ("Characters", brief.characters))
    return "\n".join([text, *(f"{name}: {_line(note)}" for name, note in notes if _line(note))])


def styled(prompt: str, style: str) -> str:
    """The drawing prompt with the style in it, once. As it is where there is no style, or no room for it."""
    said = f"Style: {_line(style)}"
    whole = f"{prompt.rstrip()} {said}"
    return prompt if not _line(style) or said in prompt or len(whole) > PROMPT_LIMIT else whole


def in_style(step: Step, style: str) -> Step:
    """The step, its drawing prompt with the style in it."""
    return step.model_copy(update={"prompt": styled(step.prompt, style)}) if step.prompt and _line(style) else step


def _line(note: str) -> str:
    return " ".join(clean(note).split())
