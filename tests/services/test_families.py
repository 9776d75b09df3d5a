"""Every family of image models, tiny and with random weights, through the backend that its preset names: text-to-image
and edits, the same pixels for the same job, each step told, and an end at any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from interleavethinker.errors import BadCheckpoint, DrawFailed
from interleavethinker.types import ImageJob, Size
from services.generator_service.backends import open_backend
from services.generator_service.backends.base import Tally, tally
from services.generator_service.backends.shapes import SHAPES
from services.generator_service.presets import presets
from services.generator_service.settings import GeneratorSettings
from tests.tiny_families import FAMILIES, PARTNERS, build, qwen_edit, sdxl

HEAVY = {"qwen-image-edit", "longcat-image-edit"}
"""These scale every reference to a million pixels."""


def tiny_call(name: str) -> dict[str, Any]:
    call: dict[str, Any] = {"num_inference_steps": 2}
    if SHAPES[presets()[name].pipeline].blank and name not in ("sdxl", "omnigen"):
        call["max_sequence_length"] = 16
    return call


def tiny_settings(name: str, home: Path) -> GeneratorSettings:
    partner = PARTNERS.get(name)
    return GeneratorSettings(
        preset=name,
        model=str(build(home / name, FAMILIES[name])),
        partner=str(build(home / "partner", partner)) if partner else None,
        imports=("interleavethinker.chat.qwen",),
        call=tiny_call(name),
        edit_call={"strength": 0.5} if name in ("z-image", "sd35-large") else {},  # of two steps: the second
        device="cpu",
        threads=1,
    )


@pytest.fixture(
    scope="module", params=[pytest.param(n, marks=[pytest.mark.slow] if n in HEAVY else []) for n in FAMILIES]
)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    backend = open_backend(tiny_settings(request.param, tmp_path_factory.mktemp("family")))
    backend.setup()
    return request.param, backend


def job(**fields: Any) -> ImageJob:
    return ImageJob.model_validate({"prompt": "a red cat", "seed": 1, "size": Size(width=64, height=80)} | fields)


def picture(colour: str, size: tuple[int, int] = (64, 80)) -> Image.Image:
    """A few large patches: a plain one is lost in the normalisation of random weights."""
    patches = np.random.default_rng(len(colour)).integers(0, 256, (3, 2, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize(size, Image.Resampling.NEAREST)


def test_it_draws_edits_and_tells(family: tuple[str, Any]):
    name, backend = family
    told: list[tuple[int, int]] = []

    def tell(done: int, of: int, look: object = None) -> None:
        told.append((done, of))

    drawn = backend.draw(job(), (), tell)
    assert drawn.size == (64, 80) and told == [(1, 2), (2, 2)]
    assert np.array_equal(np.asarray(drawn), np.asarray(backend.draw(job(), (), tell)))
    told.clear()
    red, blue = picture("red"), picture("blue", (80, 64))
    edited = backend.draw(job(), (red,), tell)
    assert edited.size == (64, 80) and told and told[-1][0] == told[-1][1]
    assert not np.array_equal(np.asarray(edited), np.asarray(drawn))
    assert not np.array_equal(np.asarray(edited), np.asarray(backend.draw(job(), (blue,), tell)))

    token = tally.set(mine := Tally())
    both = backend.draw(job(), (red, blue), tell)
    tally.reset(token)
    most = SHAPES[presets()[name].edits_by or presets()[name].pipeline].most or 2
    assert np.array_equal(np.asarray(both), np.asarray(edited)) is (most == 1)
    assert mine.reported.endswith("looked at 1 of 2 references, the first") is (most == 1)


def test_it_ends_at_a_step_and_the_next_one_is_whole(family: tuple[str, Any]):
    _, backend = family

    def stop(*_: object) -> None:
        raise KeyError("stop")

    whole = np.asarray(backend.draw(job(), (picture("red"),), lambda *_: None))
    with pytest.raises(KeyError):
        backend.draw(job(), (picture("red"),), stop)
    assert np.array_equal(np.asarray(backend.draw(job(), (picture("red"),), lambda *_: None)), whole)


def test_a_size_that_the_model_cannot_draw_is_the_jobs_all_the_same(family: tuple[str, Any]):
    _, backend = family
    assert backend.draw(job(size=Size(width=50, height=70)), (), lambda *_: None).size == (50, 70)


def test_the_classes_are_those_of_the_presets(family: tuple[str, Any]):
    name, backend = family
    chosen = presets()[name]
    assert backend._draws.name == (chosen.draws_by or chosen.pipeline)
    assert backend._edits.name == (chosen.edits_by or chosen.pipeline)


def test_a_guidance_goes_where_the_class_has_it(tmp_path: Path):
    home = build(tmp_path / "kv", FAMILIES["flux2-klein-9b-kv"])
    backend = open_backend(GeneratorSettings(preset="flux2-klein-9b-kv", model=str(home), threads=1))
    backend.setup()
    with pytest.raises(DrawFailed, match="Flux2KleinKVPipeline takes no guidance_scale"):
        backend.draw(job(params={"guidance_scale": 2.0}), (), lambda *_: None)


@pytest.mark.slow
def test_an_edit_pipeline_for_one_picture_draws_through_its_partner(tmp_path: Path):
    home = build(tmp_path / "edit", qwen_edit)
    call = {"num_inference_steps": 1, "negative_prompt": " "}
    backend = open_backend(
        GeneratorSettings(model=str(home), imports=("interleavethinker.chat.qwen",), call=call, threads=1)
    )
    backend.setup()
    params = {"guidance_scale": 3.0}  # true_cfg_scale there
    plain, guided = (np.asarray(backend.draw(j, (), lambda *_: None)) for j in (job(), job(params=params)))
    assert not np.array_equal(plain, guided)
    assert backend.draw(job(), (picture("red"),), lambda *_: None).size == (64, 80)


def test_without_another_model_sdxl_repaints(tmp_path: Path):
    backend = open_backend(
        GeneratorSettings(
            model=str(build(tmp_path / "sdxl", sdxl)), call={"num_inference_steps": 4}, edit_call={"strength": 0.5}
        )
    )
    loaded = backend.setup()
    assert "+" not in loaded.model
    told: list[int] = []
    backend.draw(job(), (picture("red"),), lambda done, *_: told.append(done))
    assert told == [1, 2]  # strength is the part of the steps that is taken


def test_a_model_that_only_draws_is_refused(tmp_path: Path):
    import diffusers
    from diffusers import StableDiffusionPipeline  # a class that nobody has looked at, without `image`

    from tests.tiny_families import _clip, _vae, _words

    unet = diffusers.UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, cross_attention_dim=32,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=2,
    )  # fmt: skip
    StableDiffusionPipeline(
        vae=_vae(shift_factor=None, use_quant_conv=True, use_post_quant_conv=True), text_encoder=_clip(),
        tokenizer=_words(), unet=unet, scheduler=diffusers.DDIMScheduler(), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(tmp_path / "sd")  # fmt: skip
    with pytest.raises(BadCheckpoint, match=r"nothing here edits; .* or set generator\.partner"):
        open_backend(GeneratorSettings(model=str(tmp_path / "sd"))).setup()
