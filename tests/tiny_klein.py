"""A FLUX.2-klein of a few thousand random parameters, written to a directory as a trained one would be.

It draws noise, but through the pipeline class, the files and the `call.json` of a real checkpoint: 64 x 64 pixels, two
steps, text-to-image and edits.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, Flux2Transformer2DModel
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

SIDE = 64
CALL = {
    "num_inference_steps": 2,
    "guidance_scale": 1.0,
    "text_encoder_out_layers": [1, 2, 3],
    "max_sequence_length": 16,
    "width": SIDE,
    "height": SIDE,
}
WORDS = ("[PAD]", "[UNK]", "[BOS]", "[END]", "a", "red", "blue", "cat", "house", "make", "it", "the", "sky")
HIDDEN = 16


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a word."""
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", bos_token="[BOS]", eos_token="[END]"
    )
    fast.chat_template = "{% for message in messages %}{{ '[BOS] ' + message['content'] + ' [END]' }}{% endfor %}"
    return fast


def build(directory: Path, *, seed: int = 0) -> Path:
    """Write the pipeline's directory; loadable by DiffusionPipeline.from_pretrained."""
    torch.manual_seed(seed)
    words = tokenizer()
    text_encoder = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(words), hidden_size=HIDDEN, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
            num_key_value_heads=1, head_dim=8, max_position_embeddings=64, tie_word_embeddings=True,
        )
    )  # fmt: skip
    vae = AutoencoderKLFlux2(
        block_out_channels=(8, 8, 8), layers_per_block=1, latent_channels=4, norm_num_groups=4, sample_size=SIDE,
        mid_block_add_attention=False, down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
    )  # fmt: skip
    transformer = Flux2Transformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=3 * HIDDEN, timestep_guidance_channels=32, axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )  # fmt: skip
    pipeline = Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=False),
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=words,
        transformer=transformer,
        is_distilled=True,
    )
    pipeline.save_pretrained(directory)
    (directory / "call.json").write_text(json.dumps(CALL, indent=2) + "\n")
    return directory
