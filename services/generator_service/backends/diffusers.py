"""Any diffusers pipeline that draws from text and edits by an image argument: FLUX.2, Qwen-Image, the small world's.

Weights are safetensors only, no code comes with a model, and what a pipeline takes is read from its signature.
One picture a call: at 1024 px a batch gains nothing (field.md section 1), and a job's picture must depend on it alone.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
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
from services.generator_service.pictures import fitted
from services.generator_service.settings import GeneratorSettings

CALL_FILE = "call.json"
"""Beside model_index.json: keyword arguments that each call of this checkpoint needs: {"num_inference_steps": 4}."""

_COMMIT = re.compile(r"[0-9a-f]{40}")


def open_backend(settings: GeneratorSettings) -> Diffusers:
    return Diffusers(settings)


class Diffusers:
    """Implements `base.Backend`. A pipeline keeps state between its steps, so one thread of one process uses it."""

    name = "diffusers"

    def __init__(self, settings: GeneratorSettings) -> None:
        self._settings = settings
        self._pipeline: Any = None
        self._parameters: frozenset[str] = frozenset()
        self._call: dict[str, Any] = {}
        self._shows = False
        self._texts = TextCache(settings.acceleration.text_cache)

    def setup(self) -> Loaded:
        device, dtype = _device(self._settings.device), self._settings.dtype
        if dtype == "auto":
            dtype = "bfloat16" if device.type == "cuda" else "float32"
        if self._settings.threads:
            torch.set_num_threads(self._settings.threads)
        diffusers.utils.logging.disable_progress_bar()
        transformers.utils.logging.disable_progress_bar()
        self._import_own()
        name, folder = _fetch(self._settings.model, pinned=self._settings.pinned)
        refuse_unsafe(folder, name)
        how = self._settings.acceleration
        quantized = accelerated.quantization(how, device)
        try:
            self._pipeline = diffusers.DiffusionPipeline.from_pretrained(
                str(folder), dtype=getattr(torch, dtype), use_safetensors=True, **quantized
            ).to(device)
        except (ValueError, OSError, AttributeError, TypeError, RuntimeError) as error:
            raise BadCheckpoint(f"{name} cannot be loaded as a diffusers pipeline: {error}") from error
        self._pipeline.set_progress_bar_config(disable=True)
        self._parameters = frozenset(inspect.signature(self._pipeline.__call__).parameters)
        self._call = self._defaults(folder)
        self._shows = self._settings.previews.on and can_be_seen(self._pipeline)
        self._demand({"prompt", "image", "generator"}, "an image model that draws from text and edits")
        attention = accelerated.apply(self._pipeline, how)
        verified = accelerated.checked(self._pipeline, how, dtype)
        self._texts.stand_before(self._pipeline)
        if how.compile != "off" or (device.type == "cuda" if how.warm is None else how.warm):
            verified += self._warmed()
        return Loaded(
            model=name,
            device=_describe(device),
            dtype=dtype,
            quantization=how.quantize,
            compile="off" if how.compile == "off" else f"{how.compile} ({how.compile_mode})",
            attention=attention,
            verified="; ".join(verified),
        )

    def lookups(self) -> dict[str, int]:
        """The text cache's hits and misses so far."""
        return self._texts.counts()

    def _warmed(self) -> list[str]:
        """At the size that is drawn where a job says none."""
        job = ImageJob(prompt="a warm-up", seed=0)
        side = int(self._call.get("width", 1024)), int(self._call.get("height", 1024))
        try:
            return accelerated.warmed(
                self._pipeline,
                self._settings.acceleration,
                lambda references: self.draw(job, references, lambda *_: None),
                side,
            )
        except DrawFailed as error:
            raise BadSettings(f"the warm-up cannot be drawn: {error.detail}") from error
        finally:
            self._texts.clear()

    def draw(self, job: ImageJob, references: Sequence[Image.Image], on_step: OnStep) -> Image.Image:
        call = self._call | job.params.model_dump(exclude_none=True)
        if job.size:
            call |= {"width": job.size.width, "height": job.size.height}
        if unknown := call.keys() - self._parameters:
            raise DrawFailed(f"{type(self._pipeline).__name__} takes no {', '.join(sorted(unknown))}")
        references = [fitted(reference, self._settings.reference_pixels) for reference in references]
        if references:
            call["image"] = references[0] if len(references) == 1 else list(references)
        unfinished = Unfinished(self._pipeline) if self._shows else None
        if "callback_on_step_end" in self._parameters:
            look = unfinished.look if unfinished else None
            call["callback_on_step_end"] = _reporting(on_step, call.get("num_inference_steps", 0), look)
        # A CPU generator gives the same noise on every device.
        generator = torch.Generator("cpu").manual_seed(job.seed)
        noting = unfinished.noting() if unfinished else nullcontext()
        with _explained(job, references), torch.inference_mode(), noting:
            picture: Image.Image = self._pipeline(prompt=clean(job.prompt), generator=generator, **call).images[0]
        return picture

    def _import_own(self) -> None:
        for module in self._settings.imports:
            try:
                importlib.import_module(module)
            except ImportError as error:
                raise BadSettings(f"generator.imports names {module!r}, which cannot be imported: {error}") from error

    def _defaults(self, folder: Path) -> dict[str, Any]:
        path = folder / CALL_FILE
        call = {**(json.loads(path.read_text()) if path.is_file() else {}), **self._settings.call}
        if unknown := call.keys() - self._parameters:
            raise BadSettings(
                f"{type(self._pipeline).__name__} takes no {', '.join(sorted(unknown))}: see generator.call or {path}; "
                f"known are {', '.join(sorted(self._parameters))}"
            )
        return call

    def _demand(self, names: set[str], what: str) -> None:
        if missing := names - self._parameters:
            raise BadCheckpoint(
                f"{self._settings.model} is a {type(self._pipeline).__name__}, which has no argument "
                f"{', '.join(sorted(missing))}; {what} is needed, as black-forest-labs/FLUX.2-klein-4B"
            )


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
            f"generator.model is {model!r}: write the commit too, as {name}@<40 hex digits> (the model's page lists "
            "them under Files, History), or set generator.pinned to false to take whatever is there now"
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
