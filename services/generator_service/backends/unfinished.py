"""A small picture of what a FLUX.2 pipeline is drawing, between two of its steps.

Shown is what the model expects at the end: it says the velocity v at each step, so the clean latents it aims at are
x - sigma v. Latents themselves would be noise until late, above all in the four steps of a distilled model. The
estimate is averaged down to the preview's size before the VAE decodes it, which costs a sixteenth of a whole decoding
at 1024 px, needs no colour table of its own for each VAE, and is exact where the picture is small anyway.

Deliberately not here: when to look (`previews`). Other pipelines pack their latents in other ways; they show nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import diffusers
import torch
from PIL import Image


class _Noted(NamedTuple):
    """One step: the latents before it, (1, tokens, channels), the velocity, and which step it was."""

    latents: torch.Tensor
    velocity: torch.Tensor
    at: int


def can_be_seen(pipeline: Any) -> bool:
    """Whether this module knows the pipeline's latents."""
    flow = isinstance(getattr(pipeline, "scheduler", None), diffusers.FlowMatchEulerDiscreteScheduler)
    return flow and hasattr(pipeline, "_unpatchify_latents") and hasattr(getattr(pipeline, "vae", None), "bn")


class Unfinished:
    """One drawing. Nothing is computed before somebody looks; two references to tensors are kept."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._noted: _Noted | None = None
        self._places: torch.Tensor | None = None

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Around the pipeline's call: note what its transformer is asked and what its scheduler is told."""
        scheduler, step = self._pipeline.scheduler, self._pipeline.scheduler.step

        def noted(model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *rest: Any, **how: Any) -> Any:
            after = step(model_output, timestep, sample, *rest, **how)
            self._noted = _Noted(sample, model_output, scheduler.step_index - 1)
            return after

        def asked(_: Any, __: Any, how: dict[str, Any]) -> None:
            # A pipeline that keeps its references' keys and values puts them first, once.
            self._places = how["img_ids"][:, how.get("num_ref_tokens", 0) :]

        hook = self._pipeline.transformer.register_forward_pre_hook(asked, with_kwargs=True)
        scheduler.step = noted
        try:
            yield
        finally:
            del scheduler.step  # the class's own again
            hook.remove()

    def look(self, side: int) -> Image.Image:
        """The picture that is aimed at, at most `side` pixels a side."""
        assert self._noted is not None and self._places is not None, "looked at before the first step"
        pipeline, (latents, velocity, at) = self._pipeline, self._noted
        clean = latents.float() - float(pipeline.scheduler.sigmas[at]) * velocity.float()
        own = self._places[0, : clean.shape[1], 1:3]  # references come after the picture's own tokens
        height, width = (int(most) + 1 for most in own.amax(dim=0))
        grid = clean[0].T.reshape(1, -1, height, width)
        statistics, epsilon = pipeline.vae.bn, pipeline.vae.config.batch_norm_eps
        spread = torch.sqrt(statistics.running_var.float() + epsilon).view(1, -1, 1, 1)
        grid = pipeline._unpatchify_latents(grid * spread + statistics.running_mean.float().view(1, -1, 1, 1))
        scale = side / (max(grid.shape[-2:]) * pipeline.vae_scale_factor)
        if scale < 1:
            size = [max(1, int(edge * scale)) for edge in grid.shape[-2:]]
            grid = torch.nn.functional.interpolate(grid, size=size, mode="area")
        decoded = pipeline.vae.decode(grid.to(pipeline.vae.dtype), return_dict=False)[0]
        picture: Image.Image = pipeline.image_processor.postprocess(decoded.float(), output_type="pil")[0]
        picture.thumbnail((side, side))
        return picture
