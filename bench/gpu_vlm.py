"""A critic of Qwen3-VL-8B's shape at full size, its weights random: milliseconds of reading two pictures and the
question (prefill), and of a token (decode). `python -m bench.gpu_vlm`; a part of bench/results/gpu.json.

By transformers in process; and with `--vllm DIR` by an installed vLLM too, on DIR's configuration and tokenizer with
random weights (`load_format="dummy"`). Deliberately not here: how good a verdict is."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import DynamicCache, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from bench import gpu

PATCH, MERGE = 16, 2
LARGE = {
    "text": {
        "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 128,
    },
    "vision": {"out_hidden_size": 4096},
    "sections": [24, 20, 20],
}  # fmt: skip
TINY = {
    "text": {
        "vocab_size": 151936, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 16,
    },
    "vision": {
        "depth": 2, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
    },
    "sections": [4, 2, 2],
}  # fmt: skip


def build(shape: dict[str, Any], at: torch.device) -> Qwen3VLForConditionalGeneration:
    """In bfloat16 on CUDA, else float32."""
    torch.manual_seed(0)
    rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": shape["sections"], "mrope_interleaved": True}
    config = Qwen3VLConfig(text_config={**shape["text"], "rope_parameters": rope}, vision_config=shape["vision"])
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if at.type == "cuda" else torch.float32)
    try:
        with torch.device(at):
            return Qwen3VLForConditionalGeneration(config).eval()
    finally:
        torch.set_default_dtype(before)


def question(net: Qwen3VLForConditionalGeneration, side: int, words: int, at: torch.device) -> dict[str, torch.Tensor]:
    """Two pictures and so many tokens of text."""
    cells = side // PATCH
    picture = [net.config.image_token_id] * (cells // MERGE) ** 2
    start, end = net.config.vision_start_token_id, net.config.vision_end_token_id
    ids = torch.tensor([[start, *picture, end, start, *picture, end, *[7] * words]], device=at)
    grid = torch.tensor([[1, cells, cells]] * 2, device=at)
    pixels = torch.zeros(2 * cells * cells, 3 * 2 * PATCH * PATCH, device=at, dtype=net.dtype)
    kinds = (ids == net.config.image_token_id).int()
    positions, _ = net.model.get_rope_index(ids, kinds, grid)
    return {"input_ids": ids, "position_ids": positions, "image_grid_thw": grid, "pixel_values": pixels}


def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    at = gpu.device(tiny=chosen.tiny)
    net = build(TINY if chosen.tiny else LARGE, at)
    billions = gpu.parameters(net)
    row = question(net, chosen.side, chosen.words, at)
    following = int(row["position_ids"].max()) + 1

    @torch.inference_mode()
    def prefill() -> Any:
        cache = DynamicCache(config=net.config)
        net(**row, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return cache

    @torch.inference_mode()
    def decode(cache: Any) -> None:
        for number in range(chosen.tokens):
            at_ = torch.full((3, 1, 1), following + number, device=at)
            token = torch.full((1, 1), 7, device=at)
            net(input_ids=token, position_ids=at_, past_key_values=cache, use_cache=True, logits_to_keep=1)

    rows: list[dict[str, Any]] = [{"by": "transformers", "phase": "prefill", "tokens": row["input_ids"].shape[1]}]
    rows[0] |= gpu.figures(at, gpu.seconds(prefill, at, chosen.repeats), gpu.tflop(prefill))
    both = gpu.seconds(lambda: decode(prefill()), at, chosen.repeats)
    a_token = (both - rows[0]["ms"] / 1000) / chosen.tokens
    cache = prefill()
    decoded = gpu.figures(at, max(a_token, 1e-9), gpu.tflop(lambda: decode(cache)) / chosen.tokens)
    rows.append({"by": "transformers", "phase": "decode, a token", "tokens": chosen.tokens, **decoded})
    if chosen.vllm:
        del cache, net
        rows += by_vllm(chosen, at)
    for each in rows:
        print(each, flush=True)
    return {"card": gpu.card(at), "torch": torch.__version__, "side": chosen.side, "billions": billions, "rows": rows}


def by_vllm(chosen: argparse.Namespace, at: torch.device) -> list[dict[str, Any]]:
    """Ends the program with one line where there is no vLLM."""
    try:
        from vllm import LLM, SamplingParams
    except ImportError as error:
        raise SystemExit("vLLM is not installed: pip install 'interleavethinker[gpu]', or leave --vllm out") from error
    model = LLM(
        model=str(chosen.vllm), load_format="dummy", limit_mm_per_prompt={"image": 2}, max_model_len=8192,
        enable_prefix_caching=False,
    )  # fmt: skip
    picture = Image.new("RGB", (chosen.side, chosen.side))
    pad = "<|vision_start|><|image_pad|><|vision_end|>"
    asked = {"prompt": pad * 2 + " a" * chosen.words, "multi_modal_data": {"image": [picture, picture]}}

    def answer(tokens: int) -> float:
        how = SamplingParams(max_tokens=tokens, min_tokens=tokens, temperature=0.0, ignore_eos=True)
        return gpu.seconds(lambda: model.generate(asked, how, use_tqdm=False), at, chosen.repeats)

    first, whole = answer(1), answer(chosen.tokens)
    token = (whole - first) / (chosen.tokens - 1)
    return [
        {"by": "vllm", "phase": "prefill", "tokens": None, "ms": round(first * 1000, 2)},
        {"by": "vllm", "phase": "decode, a token", "tokens": chosen.tokens, "ms": round(token * 1000, 3)},
    ]


def main(argv: Sequence[str] | None = None) -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.gpu_vlm", description=__doc__)
    asked.add_argument("--tiny", action="store_true", help="a few thousand parameters on a CPU, to see that it works")
    asked.add_argument("--side", type=int, default=1024, help="of the two pictures")
    asked.add_argument("--words", type=int, default=400, help="tokens of text beside them")
    asked.add_argument("--tokens", type=int, default=250, help="of the answer")
    asked.add_argument("--repeats", type=int, default=5)
    asked.add_argument("--vllm", type=Path, metavar="DIR", help="a Qwen3-VL's directory with config and tokenizer")
    asked.add_argument("--out", type=Path, default=gpu.RESULT)
    chosen = asked.parse_args(argv)
    gpu.keep("vlm tiny" if chosen.tiny else "vlm 8b", measure(chosen), chosen.out)
    print(chosen.out)


if __name__ == "__main__":
    main()
