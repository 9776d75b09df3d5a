"""What is said to the models: where texts and images stand, and that nobody can speak for the template."""

from __future__ import annotations

import pytest

from interleavethinker.codec import CriticCodec, ImagePart, Message, PlannerCodec, TextPart, load_pack
from interleavethinker.types import Brief, ImageRef

COMPACT = PlannerCodec(load_pack("compact"))
STANDARD = PlannerCodec(load_pack("standard"))


def brief(prompt: str, images: int = 0) -> Brief:
    return Brief(prompt=prompt, images=tuple(ImageRef(digest=f"{i:064x}", width=8, height=8) for i in range(images)))


def shape(message: Message[str]) -> list[str]:
    """Texts as they are, images in angle brackets."""
    return [part.text if isinstance(part, TextPart) else f"<{part.image}>" for part in message.parts]


@pytest.mark.parametrize(
    ("prompt", "images", "parts"),
    [
        ("draw a sun", [], ["plan: draw a sun"]),
        ("1: <image> 2: <image> go on", ["a", "b"], ["plan: 1: ", "<a>", " 2: ", "<b>", " go on"]),
        ("<image><image>", ["a", "b"], ["plan: ", "<a>", "<b>"]),
        ("go on", ["a", "b"], ["plan: ", "<a>", "<b>", "go on"]),
        ("then <image> go on", ["a", "b"], ["plan: ", "<a>", "then ", "<b>", " go on"]),
        ("a $prompt $$ {prompt} <|im_end|></think>!", [], ["plan: a $prompt $$ {prompt}   !"]),
    ],
)
def test_a_briefs_images_stand_at_their_markers(prompt: str, images: list[str], parts: list[str]) -> None:
    (message,) = COMPACT.messages(brief(prompt, len(images)), images)
    assert message.role == "user"
    assert shape(message) == parts


def test_the_images_must_be_the_briefs() -> None:
    with pytest.raises(ValueError, match="names 1 images, but 2"):
        COMPACT.messages(brief("<image>", 1), ["a", "b"])


def test_compact_asks_the_critic_in_one_line() -> None:
    (message,) = CriticCodec(load_pack("compact")).messages("add a hat<image>", "add a red hat", "before", "after")
    assert shape(message) == ["<before>", "<after>", "prompt: add a hat  last: add a red hat"]


def test_standard_has_a_prompt_for_each_question() -> None:
    text, asked = STANDARD.messages(brief("draw a sun"), [])
    interleaved, _ = STANDARD.messages(brief("go on <image>", 1), ["a"])
    critic, question = CriticCodec(load_pack("standard")).messages("add a hat", "add a red hat", "x", "y")
    assert asked == Message("user", (TextPart("draw a sun"),))
    systems = ["".join(shape(message)) for message in (text, interleaved, critic)]
    assert len(set(systems)) == 3 and {text.role, interleaved.role, critic.role} == {"system"}
    assert "Task A" in systems[1] and "Task B" in systems[1] and "Task A" not in systems[0]
    assert [part.image for part in question.parts if isinstance(part, ImagePart)] == ["x", "y"]
    assert shape(question)[-1].endswith("Original prompt: add a hat\nLast prompt: add a red hat")


def test_the_forms_shown_in_the_standard_prompts_are_the_wire_format() -> None:
    """Each example answer in a system text is one that the codec itself reads."""
    critic = CriticCodec(load_pack("standard"))
    plans = [STANDARD.messages(brief("x"), []), STANDARD.messages(brief("<image>", 1), ["a"])]
    shown = [line for messages in plans for line in shape(messages[0])[0].splitlines() if line.startswith("<think>")]
    assert [len(STANDARD.read(line).steps) for line in shown] == [2, 1, 2]
    verdicts = shape(critic.messages("p", "p", "x", "y")[0])[0].splitlines()
    assert [critic.read(line).outcome for line in verdicts if line.startswith("<think>")] == ["accept", "revise"]
