"""Many small pictures at once: the FLUX.2-klein pipeline's own arithmetic, batched, with one seed and one reference a
picture.

For collecting drawings in training and for measuring; serving calls the pipeline itself. tests/training proves that
both draw the same picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import DiffusionPipeline, Flux2KleinPipeline

from training.generator import CALL, TEXT_LAYERS, TEXT_TOKENS


def load_pipeline(directory: Path) -> Flux2KleinPipeline:
    """The saved pipeline in float32 (float16 and bfloat16 are very slow on a CPU)."""
    pipeline = DiffusionPipeline.from_pretrained(directory, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def draw(
    pipeline: Flux2KleinPipeline,
    prompts: Sequence[str],
    befores: Sequence[np.ndarray | None],
    seeds: Sequence[int],
    steps: int = int(str(CALL["num_inference_steps"])),
) -> list[np.ndarray]:
    """Pictures uint8 (128, 128, 3), in order. `befores` holds the reference of each, None to draw from nothing."""
    made: list[np.ndarray | None] = [None] * len(prompts)
    for edits in (False, True):
        chosen = [i for i, before in enumerate(befores) if (before is not None) is edits]
        for at in range(0, len(chosen), 32):
            part = chosen[at : at + 32]
            references = [befores[i] for i in part] if edits else []
            pictures = _draw(pipeline, [prompts[i] for i in part], references, [seeds[i] for i in part], steps)
            for i, picture in zip(part, pictures, strict=True):
                made[i] = picture
    return [picture for picture in made if picture is not None]


def _draw(
    pipeline: Flux2KleinPipeline,
    prompts: list[str],
    references: Sequence[np.ndarray | None],
    seeds: list[int],
    steps: int,
) -> np.ndarray:
    count, vae = len(prompts), pipeline.vae
    features, text_ids = pipeline.encode_prompt(
        prompts, device=torch.device("cpu"), max_sequence_length=TEXT_TOKENS, text_encoder_out_layers=TEXT_LAYERS
    )
    shape = (1, pipeline.transformer.config.in_channels, 4, 4)
    noise = torch.cat([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    positions = pipeline._prepare_latent_ids(noise)
    latents, context = pipeline._pack_latents(noise), None
    if references:
        pixels = (
            torch.from_numpy(np.stack([r for r in references if r is not None]))
            .permute(0, 3, 1, 2)
            .float()
            .div(127.5)
            .sub(1)
        )
        encoded = pipeline._encode_vae_image(pixels, generator=None)
        context = pipeline._pack_latents(encoded)
        ids = pipeline._prepare_image_ids([encoded[:1]])
        positions = torch.cat([positions, ids.expand(count, -1, -1)], dim=1)
    pipeline.scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), device="cpu")
    pipeline.scheduler.set_begin_index(0)
    for time in pipeline.scheduler.timesteps:
        velocity = pipeline.transformer(
            hidden_states=latents if context is None else torch.cat([latents, context], dim=1),
            timestep=time.expand(count) / 1000,
            guidance=None,
            encoder_hidden_states=features,
            txt_ids=text_ids,
            img_ids=positions,
            return_dict=False,
        )[0][:, : latents.shape[1]]
        latents = pipeline.scheduler.step(velocity, time, latents, return_dict=False)[0]
    grid = latents.permute(0, 2, 1).reshape(noise.shape)
    std = torch.sqrt(vae.bn.running_var + vae.config.batch_norm_eps).view(1, -1, 1, 1)
    codes = grid * std + vae.bn.running_mean.view(1, -1, 1, 1)
    decoded = vae.decode(pipeline._unpatchify_latents(codes), return_dict=False)[0]
    return ((decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1) * 255).round().byte().numpy()
