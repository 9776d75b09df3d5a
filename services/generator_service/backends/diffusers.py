"""Any diffusers pipeline that draws from text and edits, alone or with a partner: FLUX.2, Qwen-Image, SDXL, the small
world's.

Weights are safetensors only, no code comes with a model. How a class is called is data (`shapes`), what every call of a
model gets comes from its preset, its call.json and the settings.
One picture a call: at 1024 px a batch gains nothing (field.md section 1), and a job's picture must depend on it alone.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from PIL import Image

from interleavethinker.checkpoint import check_files, file_digests, read_manifest
from interleavethinker.codec import clean
from interleavethinker.errors import BadCheckpoint, BadSettings, DrawFailed
from interleavethinker.settings import find_path
from interleavethinker.types import ImageJob, Value
from interleavethinker.weights import refuse_unsafe
from services.generator_service.backends import accelerated
from services.generator_service.backends.base import DeviceLost, Loaded, Look, OnStep
from services.generator_service.backends.textcache import TextCache
from services.generator_service.backends.unfinished import Unfinished, can_be_seen
from services.generator_service.backends.way import Way, counting, known_to_one
from services.generator_service.pictures import fitted
from services.generator_service.presets import preset
from services.generator_service.settings import GeneratorSettings

CALL_FILE = "call.json"
"""Beside model_index.json: keyword arguments that each call of this checkpoint needs: {"num_inference_steps": 4}."""

WANTED = "an image model that draws from text and edits is needed, as black-forest-labs/FLUX.2-klein-4B"

_COMMIT = re.compile(r"[0-9a-f]{40}")


def open_backend(settings: GeneratorSettings) -> Diffusers:
    return Diffusers(settings)


class Diffusers:
    """Implements `base.Backend`. A pipeline keeps state between its steps, so one thread of one process uses it."""

    name = "diffusers"

    def __init__(self, settings: GeneratorSettings) -> None:
        self._settings = settings
        self._draws: Way
        self._edits: Way
        self._texts = TextCache(settings.acceleration.text_cache)

    def setup(self) -> Loaded:
        device, dtype = _device(self._settings.device), self._settings.dtype
        if dtype == "auto":
            dtype = "bfloat16" if device.type == "cuda" else "float32"
        if self._settings.threads:
            torch.set_num_threads(self._settings.threads)
        diffusers.utils.logging.disable_progress_bar()
        transformers.utils.logging.disable_progress_bar()
        self._device = device
        self._import_own()
        how = self._settings.acceleration
        quantized = accelerated.quantization(how, device)
        name, main = self._load(self._settings.model_id, device, dtype, quantized)
        models, ways = [main.pipeline], [main]
        if self._settings.partner:
            partner, second = self._load(self._settings.partner, device, dtype, quantized)
            name, models, ways = f"{name}+{partner}", [main.pipeline, second.pipeline], [main, second]
        elif main.shape.partner and hasattr(diffusers, main.shape.partner):
            ways.append(Way(getattr(diffusers, main.shape.partner)(**_components(main.pipeline, main.shape.partner))))
        for way in ways:
            way.pipeline.set_progress_bar_config(disable=True)
            self._texts.stand_before(way.pipeline)
        self._choose(ways)
        self._fill(ways)
        attention = dict.fromkeys(accelerated.apply(model, how) for model in models)
        verified = [said for model in models for said in accelerated.checked(model, how, dtype)]
        if how.compile != "off" or (device.type == "cuda" if how.warm is None else how.warm):
            verified += self._warmed(models)
        return Loaded(
            model=name,
            device=_describe(device),
            dtype=dtype,
            quantization=how.quantize,
            compile="off" if how.compile == "off" else f"{how.compile} ({how.compile_mode})",
            attention=", ".join(attention),
            verified="; ".join(verified),
        )

    def lookups(self) -> dict[str, int]:
        """The text cache's hits and misses so far."""
        return self._texts.counts()

    def _warmed(self, models: Sequence[Any]) -> list[str]:
        """At the size that is drawn where a job says none."""
        job = ImageJob(prompt="a warm-up", seed=0)
        side = int(self._draws.call.get("width", 1024)), int(self._draws.call.get("height", 1024))
        try:
            return accelerated.warmed(
                models,
                self._settings.acceleration,
                lambda references: self.draw(job, references, lambda *_: None),
                side,
            )
        except DrawFailed as error:
            raise BadSettings(f"the warm-up cannot be drawn: {error.detail}") from error
        finally:
            self._texts.clear()

    def draw(self, job: ImageJob, references: Sequence[Image.Image], on_step: OnStep) -> Image.Image:
        way = self._edits if references else self._draws
        references = [fitted(reference, self._settings.reference_pixels) for reference in references]
        call = way.arguments(job, references)
        if unknown := known_to_one(call, [way]):
            raise DrawFailed(f"{way.name} takes no {', '.join(unknown)}")
        unfinished = Unfinished(way.pipeline) if self._settings.previews.on and can_be_seen(way.pipeline) else None
        steps = call.get("num_inference_steps", 0)
        telling: AbstractContextManager[None] = nullcontext()
        if "callback_on_step_end" in way.parameters:
            call["callback_on_step_end"] = _reporting(on_step, steps, unfinished.look if unfinished else None)
        else:
            telling = counting(way.pipeline, on_step, steps)
        # A CPU generator gives the same noise on every device.
        call["generator"] = torch.Generator("cpu").manual_seed(job.seed)
        noting = unfinished.noting() if unfinished else nullcontext()
        with _explained(job, references), self._dice(job.seed), torch.inference_mode(), telling, noting:
            picture: Image.Image = way.pipeline(prompt=way.prompt(clean(job.prompt), references), **call).images[0]
        return way.finished(picture, job)

    @contextmanager
    def _dice(self, seed: int) -> Iterator[None]:
        """For pipelines that also throw torch's own dice (OmniGen, as it encodes references): the same for the same
        job; the process's are left as they were."""
        with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield

    def _load(self, model: str, device: torch.device, dtype: str, quantized: dict[str, Any]) -> tuple[str, Way]:
        name, folder = _fetch(model, pinned=self._settings.pinned)
        refuse_unsafe(folder, name)
        try:
            pipeline = diffusers.DiffusionPipeline.from_pretrained(
                str(folder), dtype=getattr(torch, dtype), use_safetensors=True, **quantized
            ).to(device)
        except (ValueError, OSError, AttributeError, TypeError, RuntimeError, ImportError, NameError) as error:
            lack = "" if find_spec("torchvision") else "; torchvision, which some pipelines want, is not installed"
            raise BadCheckpoint(f"{name} cannot be loaded as a diffusers pipeline: {error}{lack}") from error
        way = Way(pipeline)
        if missing := {"prompt", "generator"} - way.parameters:
            raise BadCheckpoint(f"{name} is a {way.name}, which has no argument {', '.join(sorted(missing))}; {WANTED}")
        path = folder / CALL_FILE
        way.call = json.loads(path.read_text()) if path.is_file() else {}
        return name, way

    def _choose(self, ways: list[Way]) -> None:
        """The first that can draws from text, and so for edits."""
        draws = [way for way in ways if way.shape.blank]
        edits = [way for way in ways if way.shape.edits]
        if not draws or not edits:
            what = "draws from text" if not draws else "edits"
            raise BadCheckpoint(
                f"{self._settings.model_id} is a {ways[0].name}, which has no argument image: nothing here {what}; "
                f"{WANTED}, or set generator.partner to a model that {what}"
            )
        self._draws, self._edits = draws[0], edits[0]

    def _fill(self, ways: list[Way]) -> None:
        """Every way's arguments, the weaker first: the preset's, its checkpoint's, the settings'."""
        chosen = preset(self._settings.preset) if self._settings.preset else None
        shared = {**(chosen.call if chosen else {}), **ways[0].call, **self._settings.call}
        of_edits = {**(chosen.edit_call if chosen else {}), **self._settings.edit_call}
        for call, takers in ((shared, ways), (of_edits, [self._edits])):
            if unknown := known_to_one(call, takers):
                names = sorted(set[str]().union(*(way.parameters for way in takers)))
                raise BadSettings(
                    f"{', '.join(way.name for way in takers)} takes no {', '.join(unknown)}: see generator.call, "
                    f"generator.edit_call or {CALL_FILE}; known are {', '.join(names)}"
                )
        for way in ways:
            call = {**shared, **(way.call if way is not ways[0] else {}), **(of_edits if way is self._edits else {})}
            way.call = {name: value for name, value in call.items() if name in way.parameters}

    def _import_own(self) -> None:
        for module in self._settings.imports:
            try:
                importlib.import_module(module)
            except ImportError as error:
                raise BadSettings(f"generator.imports names {module!r}, which cannot be imported: {error}") from error


class _Files(Value):
    """A directory's content; its own digest is the directory's revision."""

    digests: dict[str, str]


def _fetch(model: str, *, pinned: bool) -> tuple[str, Path]:
    """(name@revision, folder). A directory's revision is the digest of its manifest, else of its files; with `pinned`,
    one from the hub must be a commit, since anything else can be another model tomorrow."""
    folder = find_path(model)
    if folder.is_dir():
        if manifest := read_manifest(folder):
            check_files(manifest, folder)
            return f"{manifest.name}@{manifest.content_digest[:12]}", folder
        files = _Files(digests=file_digests(folder))
        return f"{folder.resolve().name}@{files.content_digest[:12]}", folder
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise BadSettings(f"generator.model is {model!r}: write a directory or a Hugging Face id (owner/name@revision)")
    name, _, revision = model.partition("@")
    if pinned and not _COMMIT.fullmatch(revision):
        raise BadSettings(
            f"generator.model is {model!r}: write the commit too, as {name}@<40 hex digits> or in generator.commit "
            "(the model's page lists them under Files, History), or set generator.pinned to false for what is there"
        )
    try:
        # The download keeps to safetensors and to the files that model_index.json names.
        folder = Path(
            diffusers.DiffusionPipeline.download(
                name, revision=revision or None, use_safetensors=True, trust_remote_code=False
            )
        )
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{model} cannot be had from the Hugging Face hub: {error}") from error
    return f"{name}@{folder.name[:12]}", folder


def _components(pipeline: Any, partner: str) -> dict[str, Any]:
    """What the partner is made of: the pipeline's components that it knows, and its settings that are no components."""
    wanted = inspect.signature(getattr(diffusers, partner).__init__).parameters
    found = {**dict(pipeline.config), **pipeline.components}
    return {name: found[name] for name in wanted if name in found and not name.startswith("_")}


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise BadSettings(f"generator.device is {wanted!r}: write auto, cpu, cuda or cuda:<number>") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BadSettings(f"generator.device is {wanted!r}, but torch sees {torch.cuda.device_count()} CUDA devices")
    return device


def _describe(device: torch.device) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def _reporting(
    on_step: OnStep, expected: int, look: Look | None
) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    def after_step(pipeline: Any, index: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        on_step(index + 1, max(index + 1, getattr(pipeline, "num_timesteps", None) or expected), look)
        return tensors

    return after_step


@contextmanager
def _explained(job: ImageJob, references: Sequence[Image.Image]) -> Iterator[None]:
    """Out of memory is the job's fault and passes; any other error of the accelerator is for good."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        torch.cuda.empty_cache()
        size = f"{job.size.width} x {job.size.height}" if job.size else "the default size"
        raise DrawFailed(
            f"out of memory at {size} with {len(references)} references: ask for a smaller picture or fewer references"
        ) from error
    except torch.AcceleratorError as error:
        raise DeviceLost(str(error)) from error
