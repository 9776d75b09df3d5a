"""A token read without the frame around it gives the stock forward's logits, bit for bit."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache

from interleavethinker.chat.decoding import OneToken, fits
from interleavethinker.chat.local import _load, _Reading
from interleavethinker.codec import Message
from interleavethinker.codec.messages import TextPart


@pytest.mark.parametrize("name", ["planner", "critic"])
def test_the_logits_are_the_stock_ones(name: str):
    qwen = _load(f"checkpoints/smallworld/{name}", "cpu", "float32", 1, True)
    assert fits(qwen.net)
    row = qwen.inputs.encode([Message("user", (TextPart("draw a red circle, then a blue square"),))])
    lean, stock = _Reading(qwen.net), _Reading(qwen.net)
    stock.one = None
    logits, same = lean.prompt(row), stock.prompt(row)
    for _ in range(40):
        assert torch.equal(logits, same)
        token = int(logits.argmax())
        logits, same = lean.token(token), stock.token(token)
    assert lean.cache.get_seq_length() == stock.cache.get_seq_length()


def test_another_dtype_keeps_the_stock_forward():
    qwen = _load("checkpoints/smallworld/critic", "cpu", "bfloat16", 1, True)
    assert not fits(qwen.net)
    assert _Reading(qwen.net).one is None


def test_it_needs_the_prompts_cache_alone():
    qwen = _load("checkpoints/smallworld/critic", "cpu", "float32", 1, True)
    with torch.inference_mode():
        assert OneToken(qwen.net).read(1, 0, DynamicCache(config=qwen.net.config)).shape == (
            len(qwen.net.lm_head.weight),
        )
