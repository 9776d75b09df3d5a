"""Tokens as bytes: text that comes out whole, and prefixes that are healed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interleavethinker.chat.vocabulary import Vocabulary

JOINED = b"', 'prompt': '"
VOCABULARY = Vocabulary({byte: bytes([byte]) for byte in range(256)} | {300: JOINED, 301: b"the boat", 302: b""})


@given(st.text())
def test_a_text_comes_out_as_it_went_in_however_its_characters_are_cut(text: str) -> None:
    decoder = VOCABULARY.text()
    assert "".join(map(decoder.feed, text.encode())) + decoder.close() == text


@given(st.lists(st.integers(0, 255)))
def test_bytes_that_are_no_text_come_out_as_replacement_characters(tokens: list[int]) -> None:
    decoder = VOCABULARY.text()
    assert "".join(map(decoder.feed, tokens)) + decoder.close() == bytes(tokens).decode(errors="replace")


def test_control_tokens_are_no_text() -> None:
    assert VOCABULARY.text().feed(302) == VOCABULARY.text().feed(999) == ""


@given(st.text(max_size=40), st.integers(0, len(JOINED)))
def test_a_seam_gives_back_every_token_that_the_cut_may_run_through(before: str, cut: int) -> None:
    prefix = before.encode() + JOINED[:cut]
    kept, ending = VOCABULARY.seam(list(prefix))
    assert bytes(kept) + ending == prefix
    assert len(ending) >= min(cut, len(prefix))


def test_what_is_due_may_be_spelled_in_parts_or_gone_beyond() -> None:
    assert sorted(VOCABULARY.towards(b"', 'pro")) == [ord("'"), 300]
    assert VOCABULARY.towards(b"x") == [ord("x")]
