"""A fresh pipeline from a recipe, and a trained one written to disk. Learns nothing."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, Flux2Transformer2DModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import nn
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from smallworld.patchcode import PatchAutoencoder
from smallworld.prompts import RARITY, vocabulary
from smallworld.scene import CELLS

TEXT_LAYERS = (1, 2, 3)
TEXT_TOKENS = 28
NUM_CELLS = len(CELLS)
CALL = {
    "num_inference_steps": 4,
    "guidance_scale": 1.0,
    "text_encoder_out_layers": list(TEXT_LAYERS),
    "max_sequence_length": TEXT_TOKENS,
    "width": 128,
    "height": 128,
}
"""What the pipeline must be called with; written to `call.json` beside it."""


@dataclass(frozen=True)
class GeneratorRecipe:
    """Everything that makes a training run what it is. Samples, not minutes, so that a run can be repeated."""

    seed: int = 0
    threads: int = 1
    text_width: int = 128
    heads: int = 4
    double_blocks: int = 2
    single_blocks: int = 4
    autoencoder_steps: int = 2500
    polish_steps: int = 1500
    grounding_steps: int = 900
    flow_samples: int = 200_000
    batch: int = 16
    learning_rate: float = 1.5e-3
    decay_from: float = 0.6
    ema: float = 0.999
    first_share: float = 0.3
    pure_noise_share: float = 0.25
    noise_shift: float = 1.0
    rarity: float = RARITY
    start: str = ""
    start_parts: tuple[str, ...] = ("vae", "text_encoder", "transformer")
    """A pipeline's directory to go on from, and the parts taken from it: those skip the stages before the flow."""


def word_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word of the drawing prompts; any other word is [UNK]."""
    words = ["[PAD]", "[UNK]", "[BOS]", "[END]", *vocabulary()]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", bos_token="[BOS]", eos_token="[END]"
    )
    fast.padding_side = "right"
    fast.chat_template = "{% for m in messages %}{{ '[BOS] ' + m['content'] + ' [END]' }}{% endfor %}"
    return fast


def build(recipe: GeneratorRecipe) -> Flux2KleinPipeline:
    """A fresh pipeline with random weights."""
    torch.manual_seed(recipe.seed)
    tokenizer = word_tokenizer()
    width, head = recipe.text_width, recipe.text_width // recipe.heads
    text_encoder = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=3,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            head_dim=head,
            tie_word_embeddings=True,
            max_position_embeddings=128,
        )
    )
    vae = PatchAutoencoder()
    transformer = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=4 * vae.config.latent_channels,
        num_layers=recipe.double_blocks,
        num_single_layers=recipe.single_blocks,
        attention_head_dim=32,
        num_attention_heads=recipe.heads,
        joint_attention_dim=len(TEXT_LAYERS) * width,
        axes_dims_rope=(8, 8, 8, 8),
        guidance_embeds=False,
    )
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=False),
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        transformer=transformer,
        is_distilled=True,
    )


def adopt(pipeline: Flux2KleinPipeline, start: Path, parts: Sequence[str]) -> None:
    """Take the parts' weights from a saved pipeline of the same shape; a word it did not know keeps its random
    embedding."""
    known = DiffusionPipeline.from_pretrained(start, torch_dtype=torch.float32)
    for part in parts:
        theirs, ours = getattr(known, part).state_dict(), getattr(pipeline, part)
        if part == "text_encoder":
            vocabulary, old = pipeline.tokenizer.get_vocab(), known.tokenizer.get_vocab()
            for name in [name for name in theirs if name.endswith(("embed_tokens.weight", "lm_head.weight"))]:
                rows = ours.state_dict()[name].clone()
                for word in vocabulary.keys() & old.keys():
                    rows[vocabulary[word]] = theirs[name][old[word]]
                theirs[name] = rows
        ours.load_state_dict(theirs)


def save_pipeline(pipeline: Flux2KleinPipeline, ema: nn.ModuleList, directory: Path) -> None:
    """Write the averaged weights as a diffusers directory in float16, with the arguments it must be called with."""
    text_encoder, transformer = copy.deepcopy(ema[0]).half(), copy.deepcopy(ema[1]).half()
    served = Flux2KleinPipeline(
        scheduler=pipeline.scheduler,
        vae=copy.deepcopy(pipeline.vae).half(),
        text_encoder=text_encoder,
        tokenizer=pipeline.tokenizer,
        transformer=transformer,
        is_distilled=True,
    )
    temporary = directory.with_name(directory.name + ".new")
    shutil.rmtree(temporary, ignore_errors=True)
    served.save_pretrained(temporary, safe_serialization=True)
    index = json.loads((temporary / "model_index.json").read_text())
    index["vae"] = ["smallworld.patchcode", "PatchAutoencoder"]
    (temporary / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    (temporary / "call.json").write_text(json.dumps(CALL, indent=2) + "\n")
    shutil.rmtree(directory, ignore_errors=True)
    temporary.rename(directory)
