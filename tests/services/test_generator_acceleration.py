"""The switches of `[generator.acceleration]` on the tiny klein: each is honoured and proven, or refused in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from interleavethinker.errors import BadSettings
from interleavethinker.types import ImageJob
from services.generator_service.acceleration import AccelerationSettings
from services.generator_service.backends import open_backend
from services.generator_service.backends.base import Backend, Loaded
from services.generator_service.settings import GeneratorSettings

RED = Image.new("RGB", (64, 64), "red")


@pytest.fixture(scope="module")
def klein(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_klein import build

    return build(tmp_path_factory.mktemp("klein") / "tiny-klein")


def opened(klein: Path, **how: Any) -> tuple[Backend, Loaded]:
    backend = open_backend(GeneratorSettings(model=str(klein), threads=1, acceleration=AccelerationSettings(**how)))
    return backend, backend.setup()


def pixels(backend: Backend, *references: Image.Image, prompt: str = "a red cat") -> np.ndarray:
    return np.asarray(backend.draw(ImageJob(prompt=prompt, seed=1), references, lambda *_: None), dtype=int)


@pytest.fixture(scope="module")
def plain(klein: Path) -> np.ndarray:
    return pixels(opened(klein)[0], RED)


def test_what_is_not_asked_for_is_off_and_said_so(klein: Path):
    _, loaded = opened(klein)
    assert (loaded.quantization, loaded.compile, loaded.attention) == ("none", "off", "native")
    assert loaded.verified.startswith("float32 weights: text_encoder ")


def test_the_same_words_are_encoded_once_and_draw_the_same(klein: Path, plain: np.ndarray):
    backend, _ = opened(klein, text_cache=2)
    for prompt in ("a red cat", "a red cat", "a blue cat", "the sky", "a red cat"):  # the third puts the first out
        picture = pixels(backend, RED, prompt=prompt)
    assert backend.lookups() == {"hits": 1, "misses": 4}  # type: ignore[attr-defined]
    assert np.array_equal(picture, plain)
    backend, _ = opened(klein, text_cache=0)
    assert np.array_equal(pixels(backend, RED), plain)
    assert backend.lookups() == {"hits": 0, "misses": 0}  # type: ignore[attr-defined]


def test_a_warm_up_leaves_nothing_behind(klein: Path, plain: np.ndarray):
    backend, loaded = opened(klein, warm=True, warm_references=2)
    assert "warmed with 0 to 2 references" in loaded.verified
    assert backend.lookups() == {"hits": 0, "misses": 0}  # type: ignore[attr-defined]
    assert np.array_equal(pixels(backend, RED), plain)


@pytest.mark.slow
@pytest.mark.parametrize("compile", ["blocks", "full"])
def test_compiled_draws_as_before_and_shows_previews(klein: Path, plain: np.ndarray, compile: str):
    backend, loaded = opened(klein, compile=compile)
    assert loaded.compile == f"{compile} (default)"
    assert "compiled with 0 to 1 references, off by 0." in loaded.verified
    assert np.abs(pixels(backend, RED) - plain).mean() < 1
    seen = []
    backend.draw(
        ImageJob(prompt="a red cat", seed=1), (RED,), lambda done, of, look=None: seen.append(look and look(64))
    )
    assert [each.size for each in seen] == [(64, 64)] * 2  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_compiler_that_draws_otherwise_is_refused(klein: Path, monkeypatch: pytest.MonkeyPatch):
    import torch

    def turned(forward: Any, **_: Any) -> Any:
        return lambda *args, **kwargs: tuple(-each for each in forward(*args, **kwargs))

    monkeypatch.setattr(torch, "compile", turned)
    with pytest.raises(BadSettings, match=r"compile is full, but compiled pictures differ by .* of 255"):
        opened(klein, compile="full")


@pytest.mark.parametrize("way", ["int8_weights", "fp8_weights"])
def test_quantised_layers_are_counted_and_draw_nearly_the_same(klein: Path, plain: np.ndarray, way: str):
    pytest.importorskip("torchao")
    backend, loaded = opened(klein, quantize=way)
    assert loaded.quantization == way
    counted = loaded.verified.split("transformer: ")[1].split()
    assert counted[0] == counted[2]  # "23 of 23 linear layers Int8Tensor"
    off = np.abs(pixels(backend, RED) - plain).mean()
    assert 0 < off < 8


def test_the_text_encoder_can_be_quantised_too(klein: Path):
    pytest.importorskip("torchao")
    backend, loaded = opened(klein, quantize="int8_weights", quantize_text_encoder=True)
    assert "text_encoder: " in loaded.verified
    assert pixels(backend).shape == (64, 64, 3)


def test_another_attention_backend_is_set_and_told(klein: Path, plain: np.ndarray):
    from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

    try:
        backend, loaded = opened(klein, attention="_native_math")
        assert loaded.attention == "_native_math"
        assert np.abs(pixels(backend, RED) - plain).max() <= 1
    finally:  # diffusers keeps the last choice for the whole process
        _AttentionBackendRegistry.set_active_backend(AttentionBackendName.NATIVE)


def test_a_pipeline_that_keeps_its_references_keys_and_values(klein: Path, tmp_path: Path, plain: np.ndarray):
    kept = shutil.copytree(klein, tmp_path / "klein-kv")
    index = json.loads((kept / "model_index.json").read_text())
    (kept / "model_index.json").write_text(json.dumps(index | {"_class_name": "Flux2KleinKVPipeline"}))
    call = json.loads((kept / "call.json").read_text())
    del call["guidance_scale"]
    (kept / "call.json").write_text(json.dumps(call))
    backend, _ = opened(kept, reference_kv=True)
    picture = pixels(backend, RED)
    assert not np.array_equal(picture, plain)
    seen: list[Image.Image] = []
    job = ImageJob(prompt="a red cat", seed=1)
    backend.draw(job, (RED,), lambda done, of, look=None: seen.append(look(64)))  # type: ignore[misc]
    assert np.abs(np.asarray(seen[-1], dtype=int) - picture).mean() <= 1
    with pytest.raises(BadSettings, match="reference_kv is false, but Flux2KleinKVPipeline keeps"):
        opened(kept, reference_kv=False)
    with pytest.raises(BadSettings, match="CUDA graphs, which overwrite"):
        opened(kept, compile="full", compile_mode="reduce-overhead")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"quantize": "fp8"}, "need CUDA 8.9 or newer, and the device is cpu: write fp8_weights"),
        ({"quantize_text_encoder": True}, "quantize is none"),
        ({"reference_kv": True}, "Flux2KleinPipeline does not keep"),
        ({"attention": "quickest"}, "attention is 'quickest': .*must be one of"),
        ({"attention": "xformers"}, "attention is 'xformers': "),
    ],
)
def test_what_cannot_be_honoured_is_refused_in_words(klein: Path, how: dict[str, Any], words: str):
    with pytest.raises(BadSettings, match=words):
        opened(klein, **how)


def test_cuda_graphs_want_the_whole_denoiser():
    with pytest.raises(ValidationError, match="set compile to full"):
        AccelerationSettings(compile="blocks", compile_mode="reduce-overhead")
