"""One more token of a Qwen3-VL on a CPU, without the frame around it.

transformers' own forward is written for every model, batch and device: for one token of a model of few million
parameters most of its time is Python around the arithmetic. This is the same arithmetic in the same order, on the same
weights and the same cache, so the logits are bit for bit those of the stock forward (tests/chat/test_decoding.py);
where any of that is not sure (`fits`), the stock forward stays. Deliberately not here: the prompt, which holds the
pictures and is read once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention
from transformers import DynamicCache, Qwen3VLForConditionalGeneration
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextDecoderLayer


class _Layer(NamedTuple):
    attention: Any
    mlp: Any
    before: Any
    after: Any


def fits(net: Qwen3VLForConditionalGeneration) -> bool:
    """Whether the model is the stock one in float32 on a CPU, with torch's attention and plain rotary positions."""
    text = net.model.language_model
    return (
        net.device.type == "cpu"
        and net.dtype is torch.float32
        and net.config.text_config._attn_implementation == "sdpa"
        and getattr(text.rotary_emb, "rope_type", "") == "default"
        and all(type(layer) is Qwen3VLTextDecoderLayer for layer in text.layers)
    )


class OneToken:
    """Reads a token at a time, after the prompt that the stock forward has read into the cache."""

    def __init__(self, net: Qwen3VLForConditionalGeneration) -> None:
        text = net.model.language_model
        self._embedding, self._head = text.embed_tokens.weight, net.lm_head.weight
        self._rotary, self._norm = text.rotary_emb, text.norm
        self._layers = [
            _Layer(each.self_attn, each.mlp, each.input_layernorm, each.post_attention_layernorm)
            for each in text.layers
        ]

    def read(self, token: int, position: int, cache: DynamicCache) -> Tensor:
        """The logits (vocabulary,) of what follows. `position`: the same in time, height and width, as of all text."""
        turns = (position * self._rotary.inv_freq.float())[None, None, None]
        turns = torch.cat((turns, turns), dim=-1)
        scale = self._rotary.attention_scaling
        cos, sin = turns.cos() * scale, turns.sin() * scale
        at = self._embedding[token].view(1, 1, -1)
        for number, layer in enumerate(self._layers):
            at = at + _attend(layer.attention, _normed(layer.before, at), cos, sin, cache, number)
            within, mlp = _normed(layer.after, at), layer.mlp
            gated = mlp.act_fn(linear(within, mlp.gate_proj.weight)) * linear(within, mlp.up_proj.weight)
            at = at + linear(gated, mlp.down_proj.weight)
        return linear(_normed(self._norm, at), self._head)[0, -1]


def _attend(layer: Any, within: Tensor, cos: Tensor, sin: Tensor, cache: DynamicCache, number: int) -> Tensor:
    shape = (1, 1, -1, layer.head_dim)
    queries, keys, values = (
        linear(within, each.weight, each.bias).view(shape) for each in (layer.q_proj, layer.k_proj, layer.v_proj)
    )
    queries = _turned(_normed(layer.q_norm, queries).transpose(1, 2), cos, sin)
    keys = _turned(_normed(layer.k_norm, keys).transpose(1, 2), cos, sin)
    keys, values = cache.update(keys, values.transpose(1, 2), number)
    seen = scaled_dot_product_attention(
        queries, keys, values, scale=layer.scaling, enable_gqa=layer.num_key_value_groups > 1
    )
    return linear(seen.transpose(1, 2).reshape(1, 1, -1), layer.o_proj.weight, layer.o_proj.bias)


def _normed(norm: Any, values: Tensor) -> Tensor:
    spread = values.pow(2).mean(-1, keepdim=True)
    scaled: Tensor = norm.weight * (values * torch.rsqrt(spread + norm.variance_epsilon))
    return scaled


def _turned(values: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = values.shape[-1] // 2
    turned = torch.cat((-values[..., half:], values[..., :half]), dim=-1)
    return (values * cos) + (turned * sin)
