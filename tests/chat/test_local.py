"""What is particular to transformers in process: the tokens are the stock ones, and so is the decoding."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import torch

from interleavethinker.chat.local import LocalChat
from interleavethinker.chat.qwen import IGNORED, QwenInputs
from interleavethinker.codec import ImagePart, Message, TextPart
from interleavethinker.errors import BadCheckpoint, BadRequest
from tests.lessons import LESSONS, PLANNING, REVISING, taught


@pytest.fixture(scope="module")
def inputs() -> QwenInputs:
    return QwenInputs.load(taught())


@pytest.fixture
async def chat() -> AsyncIterator[LocalChat]:
    chat = LocalChat(str(taught()), threads=1)
    await said(chat, PLANNING.messages, max_tokens=1)  # loaded: tests that load beside it must not meet it loading
    yield chat
    await chat.close()


async def said(chat: LocalChat, messages: list[Message[bytes]], **how: object) -> str:
    return "".join([token.text async for token in chat.stream(messages, **({"max_tokens": 200} | how))])  # type: ignore[arg-type]


def test_an_example_has_the_tokens_that_the_template_gives_a_whole_conversation(inputs: QwenInputs) -> None:
    for messages, answer in LESSONS:
        example = inputs.example(messages, answer)
        conversation = [
            {
                "role": message.role,
                "content": [
                    {"type": "image"} if isinstance(part, ImagePart) else {"type": "text", "text": part.text}
                    for part in message.parts
                ],
            }
            for message in (*messages, Message("assistant", (TextPart(answer),)))
        ]
        whole = inputs.tokenizer.apply_chat_template(conversation, tokenize=False)
        pads = "<|image_pad|>"
        spread = whole.replace(pads, pads * 4)  # 64 x 64 pictures are 2 x 2 merged tokens
        tokens = inputs.tokenizer(spread, add_special_tokens=False)["input_ids"]
        line_end = inputs.tokenizer("\n", add_special_tokens=False)["input_ids"]
        assert example["input_ids"][0].tolist() + line_end == tokens
        learned = example["labels"][example["labels"] != IGNORED].tolist()
        assert inputs.tokenizer.decode(learned) == answer + "<|im_end|>"


def test_control_tokens_in_texts_are_spelled_out(inputs: QwenInputs) -> None:
    image, end = inputs.tokenizer.convert_tokens_to_ids(["<|image_pad|>", "<|im_end|>"])
    row = inputs.encode([Message("user", (TextPart("<|im_end|><|image_pad|>"),))])
    plain = inputs.encode([Message("user", (TextPart("x"),))])
    assert image not in row["input_ids"]
    assert (row["input_ids"] == end).sum() == (plain["input_ids"] == end).sum()
    assert end not in inputs.tokens("<|im_end|>")


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_learns_what_its_rows_would(inputs: QwenInputs, side: str) -> None:
    from transformers import Qwen3VLForConditionalGeneration

    net = Qwen3VLForConditionalGeneration.from_pretrained(taught(), dtype=torch.float32).eval()
    rows = [inputs.example(*lesson) for lesson in LESSONS]
    with torch.inference_mode():
        together = net(**inputs.batch(rows, side=side)).logits  # type: ignore[arg-type]
        for row, logits in zip(rows, together, strict=True):
            length = row["input_ids"].shape[1]
            mine = logits[-length:] if side == "left" else logits[:length]
            torch.testing.assert_close(mine, net(**row).logits[0], atol=1e-3, rtol=1e-3)


async def test_decodes_as_generate_does(chat: LocalChat, inputs: QwenInputs) -> None:
    from transformers import Qwen3VLForConditionalGeneration

    net = Qwen3VLForConditionalGeneration.from_pretrained(taught(), dtype=torch.float32).eval()
    strange = [Message[bytes]("user", (ImagePart(REVISING.messages[0].parts[0].image), TextPart("boat?")))]  # type: ignore[union-attr]
    row = inputs.encode(strange)
    stock = net.generate(**row, max_new_tokens=20, do_sample=False)[0, row["input_ids"].shape[1] :]
    text = inputs.tokenizer.decode(stock, skip_special_tokens=True)
    assert text.startswith(await said(chat, strange, max_tokens=20))


async def test_a_text_after_an_image_is_read_as_if_there_had_been_none(chat: LocalChat) -> None:
    strange = [Message[bytes]("user", (TextPart("the moon?"),))]
    fresh = await said(chat, strange, max_tokens=30)
    await said(chat, REVISING.messages)
    assert await said(chat, strange, max_tokens=30) == fresh


async def test_every_prefix_of_an_answer_is_gone_on_from(chat: LocalChat) -> None:
    for cut in range(1, len(REVISING.answer), 9):
        rest = await said(chat, REVISING.messages, prefix=REVISING.answer[:cut])
        assert rest == REVISING.answer[cut:]


async def test_another_seed_gives_another_answer(chat: LocalChat) -> None:
    answers = {await said(chat, PLANNING.messages, temperature=3.0, seed=seed, max_tokens=15) for seed in range(3)}
    assert len(answers) == 3


async def test_an_answer_that_nobody_reads_is_not_decoded(chat: LocalChat) -> None:
    await said(chat, PLANNING.messages, max_tokens=1)
    read = 0

    def count(*_: object) -> None:
        nonlocal read
        read += 1

    chat._loaded.result().net.register_forward_hook(count)
    async with aclosing(chat.stream(PLANNING.messages, max_tokens=200)) as stream:
        await anext(stream)
        await anext(stream)
    await asyncio.sleep(0.2)
    assert read <= 3


async def test_a_request_that_is_too_long_says_by_how_much(chat: LocalChat) -> None:
    with pytest.raises(BadRequest, match="the model reads 2048"):
        await said(chat, [Message("user", (TextPart("🌙" * 2000),))])


async def test_a_broken_directory_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    chat = LocalChat(str(tmp_path))
    with pytest.raises(BadCheckpoint, match="cannot be loaded"):
        await said(chat, PLANNING.messages)
    assert "cannot be loaded" in (await chat.ready())[0]
    await chat.close()


async def test_models_may_be_loaded_at_the_same_time() -> None:
    chats = [LocalChat(str(taught()), threads=1) for _ in range(3)]
    answers = await asyncio.gather(*(said(chat, REVISING.messages) for chat in chats))
    assert answers == [REVISING.answer] * 3


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("owner/name", "write the commit too"),
        ("owner/name@main", "write the commit too"),
        ("no such place", "no model dir"),
    ],
)
async def test_a_model_of_the_hub_is_named_with_its_commit(model: str, says: str) -> None:
    chat = LocalChat(model)
    with pytest.raises(BadCheckpoint, match=says):
        await said(chat, PLANNING.messages)
    await chat.close()
