"""A Qwen3-VL of a few thousand random parameters, written to a directory as a real one would be.

It answers nonsense, but through the same classes and files as a trained checkpoint. Its tokeniser is a byte-level BPE
whose added tokens join scaffolding of the codec's answers, as the small checkpoints' do: token borders are awkward.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from interleavethinker.chat.qwen import QwenInputs
from interleavethinker.codec import Message

CONTROL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
SCAFFOLDING = ("', 'prompt': '", "'}, {'step_number': ", "{'previous_step_success': ", "', 'instruction': None")

TEMPLATE = """{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- if message.content is string -%}{{- message.content -}}{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
{%- elif 'text' in part -%}{{- part.text -}}{%- endif -%}
{%- endfor -%}{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"""


def tokenizer(texts: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Byte-level BPE of at most 600 tokens, trained on the texts."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    sample = [*texts, "place a red boat at the top left. then the cat sits left of the house and looks at the moon"]
    bpe.train_from_iterator(
        sample,
        trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=list(CONTROL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    bpe.add_tokens([AddedToken(text, normalized=False, special=False) for text in SCAFFOLDING])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=list(CONTROL),
    )
    fast.chat_template = TEMPLATE
    return fast


def build(directory: Path, *, seed: int = 0, texts: Sequence[str] = ()) -> Path:
    """Write the model, the tokeniser and the stock processor files; a 64 x 64 picture is 4 merged tokens."""
    torch.manual_seed(seed)
    words = tokenizer(texts)
    ids = {name: words.convert_tokens_to_ids(name) for name in CONTROL}
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(words), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 2048,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2], "mrope_interleaved": True,
            },
            "tie_word_embeddings": True, "bos_token_id": None, "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
        },
        vision_config={
            "depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "in_channels": 3, "patch_size": 16,
            "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 64, "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )  # fmt: skip
    model = Qwen3VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = ids["<|im_end|>"]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    model.save_pretrained(directory)
    words.save_pretrained(directory)
    Qwen2VLImageProcessorPil(
        patch_size=16, temporal_patch_size=2, merge_size=2, image_mean=[0.5] * 3, image_std=[0.5] * 3,
        size={"shortest_edge": 32 * 32, "longest_edge": 64 * 64},
    ).save_pretrained(directory)  # fmt: skip
    preprocessor = directory / "preprocessor_config.json"
    preprocessor.write_text(json.dumps(json.loads(preprocessor.read_text()) | {"processor_class": "Qwen3VLProcessor"}))
    return directory


def teach(directory: Path, lessons: Sequence[tuple[Sequence[Message[Any]], str]], *, steps: int = 120) -> Path:
    """Train the model in `directory` until it says these answers to these messages by heart."""
    torch.manual_seed(0)
    inputs = QwenInputs.load(directory)
    model = Qwen3VLForConditionalGeneration.from_pretrained(directory, dtype=torch.float32)
    batch = inputs.batch([inputs.example(messages, answer) for messages, answer in lessons])
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.98))
    for step in range(steps):
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * min(1.0, (step + 1) / 10) * (1 - step / steps)
        optimizer.step()
    model.save_pretrained(directory)
    return directory
