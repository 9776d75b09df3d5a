"""FLUX.2-klein at full size, its weights random: milliseconds of a picture from text and of an edit, by references,
side, batch and way of computing: `python -m bench.gpu_generator --model 4b`. The result is a part of
bench/results/gpu.json.

It is the pipeline that the generator's backend loads, accelerated by the same code (`backends/accelerated`), without
queue, PNG and store. Ways: eager; blocks and full (torch.compile); graphs (full, with CUDA graphs); fp8 (torchao, with
blocks compiled). Shapes are those of the published configurations. Deliberately not here: how good a picture is."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, Flux2Transformer2DModel
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from bench import gpu
from services.generator_service.acceleration import AccelerationSettings
from services.generator_service.backends import accelerated


class Shape(NamedTuple):
    """A denoiser and its text encoder."""

    layers: int
    single_layers: int
    heads: int
    text_hidden: int
    text_inner: int
    text_layers: int
    tiny: bool = False


SHAPES = {
    "4b": Shape(5, 20, 24, 2560, 9728, 36),
    "9b": Shape(8, 24, 32, 4096, 12288, 36),
    "tiny": Shape(1, 1, 2, 16, 32, 3, tiny=True),
}
WAYS = {
    "eager": AccelerationSettings(),
    "blocks": AccelerationSettings(compile="blocks"),
    "full": AccelerationSettings(compile="full", compile_mode="max-autotune-no-cudagraphs"),
    "graphs": AccelerationSettings(compile="full", compile_mode="reduce-overhead"),
    "fp8": AccelerationSettings(compile="blocks", quantize="fp8"),
}
WORDS = 512
DENOISE_STEPS = 4


def build(shape: Shape, at: torch.device) -> Flux2KleinPipeline:
    """In bfloat16 on CUDA, else float32."""
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if at.type == "cuda" else torch.float32)
    tiny, head = shape.tiny, 16 if shape.tiny else 128
    try:
        with torch.device(at):
            transformer = Flux2Transformer2DModel(
                in_channels=16 if tiny else 128, num_layers=shape.layers, num_single_layers=shape.single_layers,
                attention_head_dim=head, num_attention_heads=shape.heads, joint_attention_dim=3 * shape.text_hidden,
                axes_dims_rope=(head // 4,) * 4, guidance_embeds=False,
            )  # fmt: skip
            encoder = Qwen3ForCausalLM(
                Qwen3Config(
                    vocab_size=16 if tiny else 151936, hidden_size=shape.text_hidden,
                    intermediate_size=shape.text_inner, num_hidden_layers=shape.text_layers,
                    num_attention_heads=2 if tiny else 32, num_key_value_heads=1 if tiny else 8,
                    head_dim=8 if tiny else 128, max_position_embeddings=40960, tie_word_embeddings=True,
                )
            )  # fmt: skip
            small = {
                "block_out_channels": (8, 8, 8), "layers_per_block": 1, "latent_channels": 4, "norm_num_groups": 4,
                "down_block_types": ("DownEncoderBlock2D",) * 3, "up_block_types": ("UpDecoderBlock2D",) * 3,
            }  # fmt: skip
            vae = AutoencoderKLFlux2(**(small if tiny else {}))
    finally:
        torch.set_default_dtype(before)
    pipeline = Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(), vae=vae.eval(), text_encoder=encoder.eval(),
        tokenizer=_tokenizer(), transformer=transformer.eval(), is_distilled=True,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(at)


def _tokenizer() -> PreTrainedTokenizerFast:
    """A few words: every prompt is padded to the same length."""
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(("[PAD]", "[UNK]", "a"))}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")
    fast.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    return fast


def drawing(pipeline: Any, shape: Shape, side: int, references: int, batch: int) -> Callable[[], object]:
    """One call; `references` pictures of the same side."""
    call: dict[str, Any] = {"max_sequence_length": 16 if shape.tiny else WORDS}
    if shape.tiny:
        call["text_encoder_out_layers"] = (1, 2, 3)
    if references:
        call["image"] = [Image.linear_gradient("L").resize((side, side)).convert("RGB")] * references

    @torch.inference_mode()
    def draw() -> object:
        return pipeline(
            prompt=["a a a"] * batch, width=side, height=side, num_inference_steps=DENOISE_STEPS, guidance_scale=1.0,
            generator=torch.Generator("cpu").manual_seed(0), **call,
        ).images  # fmt: skip

    return draw


def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    at = gpu.device(tiny=chosen.tiny)
    name = "tiny" if chosen.tiny else chosen.model
    shape = SHAPES[name]
    cases = [(s, r, b) for s in chosen.side for r in chosen.references for b in chosen.batch]
    work: dict[tuple[int, int, int], float] = {}
    rows: list[dict[str, Any]] = []
    billions: dict[str, float] = {}
    for way in ["eager", *(each for each in chosen.way if each != "eager")]:
        gc.collect()
        if at.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(at)
        pipeline = build(shape, at)
        billions = {part: gpu.parameters(getattr(pipeline, part)) for part in ("transformer", "text_encoder", "vae")}
        how = WAYS[way]
        if how.quantize != "none":
            accelerated.quantization(how, at)  # refuses what the card cannot
            from torchao.quantization import quantize_

            quantize_(pipeline.transformer, accelerated.way(how.quantize))
        if not work:
            work = {case: gpu.tflop(drawing(pipeline, shape, *case)) for case in cases}
        if way == "eager" and "eager" not in chosen.way:
            continue
        if how.compile != "off":
            accelerated.compile_denoiser(pipeline, how)
        for case in cases:
            taken = gpu.seconds(drawing(pipeline, shape, *case), at, chosen.repeats)
            found = gpu.figures(at, taken, work[case], fp8=way == "fp8")
            rows.append({"way": way, "side": case[0], "references": case[1], "batch": case[2], **found})
            print(f"{name} {rows[-1]}", flush=True)
        del pipeline
    return {
        "card": gpu.card(at),
        "torch": torch.__version__,
        "steps": DENOISE_STEPS,
        "billions": billions,
        "rows": rows,
    }


def main(argv: Sequence[str] | None = None) -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.gpu_generator", description=__doc__)
    asked.add_argument("--model", choices=("4b", "9b"), default="4b")
    asked.add_argument("--tiny", action="store_true", help="a few thousand parameters on a CPU, to see that it works")
    asked.add_argument("--way", choices=list(WAYS), nargs="+", default=["eager", "blocks", "fp8"])
    asked.add_argument("--side", type=int, nargs="+", default=[512, 1024])
    asked.add_argument("--references", type=int, nargs="+", default=[0, 1, 2, 4])
    asked.add_argument("--batch", type=int, nargs="+", default=[1, 2, 4])
    asked.add_argument("--repeats", type=int, default=5)
    asked.add_argument("--out", type=Path, default=gpu.RESULT)
    chosen = asked.parse_args(argv)
    gpu.keep(f"generator {'tiny' if chosen.tiny else chosen.model}", measure(chosen), chosen.out)
    print(chosen.out)


if __name__ == "__main__":
    main()
