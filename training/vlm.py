"""The small world's vision-language model: a Qwen3-VL of under two million parameters, its tokenizer and its processor.

Stock classes and stock files, so that whatever serves Qwen3-VL serves this directory. The tokenizer is byte-level (any
text can be said), its words are whole words of the small world, and the codec's scaffolding is one token a piece:
short answers to learn.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from interleavethinker.chat.qwen import StillsProcessor
from interleavethinker.codec import CriticCodec, PlannerCodec
from interleavethinker.types import Outcome, Plan, Step, Verdict
from smallworld.critique import compare
from smallworld.recipes import recipe
from smallworld.sample import examples
from smallworld.scene import PICTURE_PIXELS
from training.lessons import planner_lesson

CONTROL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip

CHAT_TEMPLATE = """{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- if message.content is string -%}{{- message.content -}}{%- else -%}
{%- for part in message.content -%}
{%- if part.type in ('image', 'image_url') or 'image' in part -%}{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
{%- elif 'text' in part -%}{{- part.text -}}{%- endif -%}
{%- endfor -%}{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"""

# A word with the space before it, a run of punctuation, or white space: never split a cell's name such as " b2".
PIECES = Regex(r" ?[A-Za-z0-9]+| ?[^\sA-Za-z0-9]+|\s+")


def scaffolding(planner: PlannerCodec, critic: CriticCodec) -> tuple[str, ...]:
    """The fixed pieces of both answers, cut out of what the codec itself writes, so that they can never drift apart."""
    mark = "\u241e"  # a symbol that no answer holds
    step = Step(index=1, name=mark, instruction=mark, prompt=mark, auxiliary_text=mark)
    told = Step(index=2, name=mark, auxiliary_text=mark)
    texts = [
        planner.write(Plan(steps=(step, told), reasoning=mark)),
        planner.write(Plan(steps=(told, told.model_copy(update={"index": 3})), reasoning=mark)),
        planner.write(Plan(steps=(step.model_copy(update={"auxiliary_text": None}),) * 1, reasoning=mark)),
        planner.write(Plan(steps=(step.model_copy(update={"auxiliary_text": None}), told), reasoning=mark)),
        critic.write(Verdict(outcome=Outcome.REVISE, refined_prompt=mark, reasoning=mark), mark),
        critic.write(Verdict(outcome=Outcome.ACCEPT, reasoning=mark), mark),
    ]
    pieces: dict[str, None] = {}
    for text in texts:
        for piece in text.split(mark):
            # Numbers and the verdict stay tokens of their own: they are what has to be learned.
            for number in ("1", "2", "3"):
                piece = piece.replace(f"'step_number': {number}", f"'step_number': {mark}")
            for verdict in ("True", "False"):
                piece = piece.replace(f"success': {verdict}", f"success': {mark}")
            pieces |= dict.fromkeys(part for part in piece.split(mark) if part)
    return tuple(sorted(pieces, key=len, reverse=True))


def tokenizer(texts: Iterator[str], scaffold: tuple[str, ...], vocab_size: int = 1024) -> PreTrainedTokenizerFast:
    """Byte-level BPE on the texts, with each piece of scaffolding as one token."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(PIECES, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(scaffold) - 2,
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    pieces = (*scaffold, "True", "False")  # one token each: the verdict's probability is then one number
    bpe.add_tokens([AddedToken(piece, normalized=False, special=False) for piece in pieces])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=list(CONTROL),
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def processor(words: PreTrainedTokenizerFast) -> StillsProcessor:
    """One merged token a cell: patches of 16 pixels, merged 2 x 2."""
    area = PICTURE_PIXELS**2
    images = Qwen2VLImageProcessorPil(
        patch_size=16,
        temporal_patch_size=2,
        merge_size=2,
        size={"shortest_edge": area, "longest_edge": area},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return StillsProcessor(images, words, chat_template=words.chat_template)


def model(
    words: PreTrainedTokenizerFast, *, width: int = 128, layers: int = 4, seed: int = 0
) -> Qwen3VLForConditionalGeneration:
    """Random weights: `layers` text layers of `width`, a vision tower of two layers."""
    torch.manual_seed(seed)
    ids = {name: words.convert_tokens_to_ids(name) for name in CONTROL}
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(words), "hidden_size": width, "intermediate_size": 3 * width, "num_hidden_layers": layers,
            "num_attention_heads": width // 32, "num_key_value_heads": width // 32, "head_dim": 32,
            "max_position_embeddings": 4096,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [6, 5, 5], "mrope_interleaved": True,
            },
            "tie_word_embeddings": True, "bos_token_id": None, "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
        },
        vision_config={
            "depth": 2, "hidden_size": 96, "intermediate_size": 256, "num_heads": 3, "in_channels": 3, "patch_size": 16,
            "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": width, "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )  # fmt: skip
    made = Qwen3VLForConditionalGeneration(config)
    made.generation_config.eos_token_id = ids["<|im_end|>"]
    made.generation_config.pad_token_id = ids["<|endoftext|>"]
    return made


def corpus(count: int, seed: int = 0) -> Iterator[str]:
    """Requests, prompts and critiques of the small world, training part only, to train the tokenizer on."""
    rng = random.Random(f"corpus {seed}")
    drawings = examples(rng)
    for _ in range(count):
        lesson = planner_lesson(rng, held_out=False)
        yield lesson.brief.prompt
        yield from (
            text
            for step in lesson.plan.steps
            for text in (step.name, step.instruction, step.prompt, step.auxiliary_text)
            if text
        )
        yield lesson.plan.reasoning
        made = recipe(rng, held_out=False)
        yield from (" " + step.prompt for step in made.steps)
        drawing = next(drawings)
        yield f"prompt: {drawing.prompt} last: {drawing.prompt}"
        yield compare(drawing.after, drawing.before or drawing.after, ("a1",))
        yield "plan: system user assistant True False 1 2 3 4 5 6 7 8 9"


def save(made: Qwen3VLForConditionalGeneration, prepared: StillsProcessor, directory: Path) -> None:
    """Write the directory that is served: float16 weights, tokenizer, and the stock processor files."""
    copy.deepcopy(made).half().save_pretrained(directory, safe_serialization=True)
    prepared.save_pretrained(directory)
