"""The diffusers backend without a service: what it loads, what it refuses and in which words, and that it is exact."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from interleavethinker.checkpoint import Manifest, file_digests, write_manifest
from interleavethinker.errors import BadCheckpoint, BadSettings
from interleavethinker.types import ImageJob, Size
from services.generator_service.backends import open_backend
from services.generator_service.backends.base import Backend, Look
from services.generator_service.settings import GeneratorSettings, PreviewSettings


@pytest.fixture(scope="module")
def klein(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_klein import build

    return build(tmp_path_factory.mktemp("klein") / "tiny-klein")


@pytest.fixture(scope="module")
def backend(klein: Path) -> Backend:
    backend = open_backend(GeneratorSettings(model=str(klein), threads=1))
    loaded = backend.setup()
    assert (loaded.device, loaded.dtype) == ("cpu", "float32")
    return backend


def pixels(backend: Backend, references: tuple[Image.Image, ...] = (), **job: Any) -> np.ndarray:
    values = {"prompt": "a red cat", "seed": 1} | job
    return np.asarray(backend.draw(ImageJob.model_validate(values), references, lambda *_: None))


def test_equal_jobs_give_equal_pixels(backend: Backend):
    red, blue = (Image.new("RGB", (64, 64), colour) for colour in ("red", "blue"))
    first = pixels(backend, (red,))
    assert not np.array_equal(first, pixels(backend, (blue,)))
    assert not np.array_equal(first, pixels(backend, (red, blue)))
    assert not np.array_equal(first, pixels(backend, (red,), seed=2))
    assert not np.array_equal(first, pixels(backend))
    assert np.array_equal(first, pixels(backend, (red,)))


def test_size_and_steps_are_the_jobs_or_the_checkpoints(backend: Backend):
    steps: list[tuple[int, int]] = []
    job = ImageJob(prompt="a red cat", seed=1)
    assert backend.draw(job, (), lambda step, of, _: steps.append((step, of))).size == (64, 64)
    assert steps == [(1, 2), (2, 2)]
    job = ImageJob(prompt="a red cat", seed=1, size=Size(width=32, height=96), params={"num_inference_steps": 3})
    assert backend.draw(job, (), lambda step, of, _: steps.append((step, of))).size == (32, 96)
    assert steps[2:] == [(1, 3), (2, 3), (3, 3)]


def test_raising_in_a_step_ends_the_drawing_and_the_next_one_is_whole(backend: Backend):
    whole = pixels(backend)

    def stop(*_: object) -> None:
        raise KeyError("stop")

    with pytest.raises(KeyError):
        backend.draw(ImageJob(prompt="a red cat", seed=1), (), stop)
    assert np.array_equal(pixels(backend), whole)


@pytest.mark.parametrize("references", [(), ("red",), ("red", "blue")])
def test_a_look_shows_what_is_aimed_at_and_changes_nothing(backend: Backend, references: tuple[str, ...]):
    """After the last step the aim is the picture itself."""
    given = tuple(Image.new("RGB", (64, 64), colour) for colour in references)
    seen: list[Image.Image] = []

    def see(done: int, of: int, look: Look | None = None) -> None:
        assert look is not None
        seen.append(look(256))
        assert max(look(48).size) <= 48

    job = ImageJob(prompt="a red cat", seed=1, size=Size(width=32, height=96), params={"num_inference_steps": 3})
    picture = np.asarray(backend.draw(job, given, see), dtype=int)
    assert np.array_equal(picture, np.asarray(backend.draw(job, given, lambda *_: None)))
    assert [each.size for each in seen] == [(32, 96)] * 3
    off = [np.abs(np.asarray(each, dtype=int) - picture).mean() for each in seen]
    assert off[2] <= 1 < off[0]


def test_without_previews_nobody_can_look(klein: Path):
    backend = open_backend(GeneratorSettings(model=str(klein), threads=1, previews=PreviewSettings(on=False)))
    backend.setup()
    looks: list[Look | None] = []
    backend.draw(ImageJob(prompt="a red cat", seed=1), (), lambda done, of, look=None: looks.append(look))
    assert looks == [None, None]


def test_settings_are_stronger_than_call_json_and_must_be_known(klein: Path):
    backend = open_backend(GeneratorSettings(model=str(klein), threads=1, call={"width": 32}))
    backend.setup()
    assert pixels(backend).shape == (64, 32, 3)
    with pytest.raises(BadSettings, match="Flux2KleinPipeline takes no strength"):
        open_backend(GeneratorSettings(model=str(klein), call={"strength": 1})).setup()


def test_the_revision_names_the_content(klein: Path, tmp_path: Path):
    copy = shutil.copytree(klein, tmp_path / "tiny-klein")
    setup = [open_backend(GeneratorSettings(model=str(path), threads=1)).setup().model for path in (klein, copy)]
    assert setup[0] == setup[1]
    (copy / "call.json").write_text(json.dumps({**json.loads((copy / "call.json").read_text()), "height": 32}))
    assert open_backend(GeneratorSettings(model=str(copy), threads=1)).setup().model != setup[0]
    write_manifest(copy, Manifest(kind="generator", name="smallworld-generator", base="test", files=file_digests(copy)))
    assert open_backend(GeneratorSettings(model=str(copy), threads=1)).setup().model.startswith("smallworld-generator@")
    (copy / "call.json").write_text("{}")
    with pytest.raises(BadCheckpoint, match=r"call\.json is not the file that was written"):
        open_backend(GeneratorSettings(model=str(copy))).setup()


def test_a_pipeline_that_cannot_edit_is_refused(tmp_path: Path):
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    unet = UNet2DModel(
        sample_size=8, block_out_channels=(8, 8), norm_num_groups=4, layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
    )  # fmt: skip
    DDPMPipeline(unet, DDPMScheduler()).save_pretrained(tmp_path / "ddpm")
    with pytest.raises(BadCheckpoint, match=r"DDPMPipeline, which has no argument prompt; .* is needed, as"):
        open_backend(GeneratorSettings(model=str(tmp_path / "ddpm"))).setup()


def test_pickled_weights_and_foreign_code_are_refused(klein: Path, tmp_path: Path):
    import torch

    pickled = shutil.copytree(klein, tmp_path / "pickled")
    (pickled / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({}, pickled / "vae" / "diffusion_pytorch_model.bin")
    with pytest.raises(BadCheckpoint, match=r"vae/diffusion_pytorch_model\.bin: only safetensors"):
        open_backend(GeneratorSettings(model=str(pickled))).setup()

    foreign = shutil.copytree(klein, tmp_path / "foreign")
    index = json.loads((foreign / "model_index.json").read_text())
    (foreign / "model_index.json").write_text(json.dumps(index | {"vae": ["own_code", "Vae"]}))
    for place in ("vae/own_code.py", "own_code.py"):
        (foreign / place).write_text("raise SystemExit('code of a checkpoint was run')")
        with pytest.raises(BadCheckpoint, match=r"own_code\.py: only safetensors"):
            open_backend(GeneratorSettings(model=str(foreign))).setup()
        (foreign / place).unlink()
    with pytest.raises(BadCheckpoint, match="cannot be loaded as a diffusers pipeline"):
        open_backend(GeneratorSettings(model=str(foreign))).setup()
    (foreign / "model_index.json").write_text(json.dumps(index | {"_class_name": ["own_code", "Pipeline"]}))
    with pytest.raises(BadCheckpoint, match="cannot be loaded as a diffusers pipeline"):
        open_backend(GeneratorSettings(model=str(foreign))).setup()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"backend": "difusers"}, "generator.backend is 'difusers': write one of diffusers"),
        (
            {"model": "no/such/directory"},
            "generator.model is 'no/such/directory': write a directory or a Hugging Face id",
        ),
        ({"model": "owner/name"}, "write the commit too, as owner/name@<40 hex digits>"),
        ({"model": "owner/name@main"}, "write the commit too"),
        ({"model": "owner/name@" + "a" * 39}, "write the commit too"),
        ({"imports": ("no.such.module",)}, "generator.imports names 'no.such.module', which cannot be imported"),
        ({"device": "gpu"}, "generator.device is 'gpu': write auto, cpu, cuda"),
        ({"device": "cuda:99"}, "but torch sees"),
    ],
)
def test_settings_that_cannot_work_say_what_to_write(settings: dict[str, Any], says: str):
    with pytest.raises(BadSettings, match=says):
        open_backend(GeneratorSettings(**settings)).setup()
