"""Trains the small world's generator: a FLUX.2-klein-shaped pipeline of a few million parameters, from nothing, on a
CPU.

Four stages, each resumable: `autoencoder` (cells <-> code), `polish` (its decoder alone), `grounding` (the text
encoder learns what the words ask for, before anything is drawn), `flow` (rectified flow on the pipeline's own token
layout; text-to-image, and edits with the picture before as the reference). The data never ends and is never stored:
every batch is painted from a seed.

What is deliberately not here: real photographs, other architectures, LoRA. Measuring is in `evaluation`.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch

from training.generator.autoencoder import polish_decoder, train_autoencoder
from training.generator.build import CALL, TEXT_LAYERS, TEXT_TOKENS, GeneratorRecipe, adopt, build
from training.generator.flow import flow_batches, train_flow
from training.generator.grounding import train_grounding
from training.generator.teaching import Teaching
from training.progress import Progress, load_state, save_state

__all__ = ["CALL", "TEXT_LAYERS", "TEXT_TOKENS", "GeneratorRecipe", "Teaching", "build", "flow_batches", "train"]


def train(recipe: GeneratorRecipe, out: Path) -> Path:
    """Run all stages that are not yet done, and return the pipeline's directory."""
    torch.set_num_threads(recipe.threads)
    out.mkdir(parents=True, exist_ok=True)
    pipeline = build(recipe)
    teaching = Teaching(pipeline)
    if recipe.start:
        adopt(pipeline, Path(recipe.start), recipe.start_parts)
    taken = recipe.start_parts if recipe.start else ()
    for name, stage in (
        ("autoencoder", lambda progress: train_autoencoder(pipeline.vae, recipe, progress)),
        ("polish", lambda progress: polish_decoder(pipeline.vae, recipe, progress)),
        ("grounding", lambda progress: train_grounding(teaching, pipeline.text_encoder, recipe, progress)),
    ):
        part = "text_encoder" if name == "grounding" else "vae"
        module = getattr(pipeline, part)
        if part not in taken and not load_state(out / f"{name}.pt", module=module):
            stage(Progress(out / f"{name}.jsonl", every=50))
            save_state(out / f"{name}.pt", 1, module=module)
    teaching.learn_codes()
    started = time.monotonic()
    keep_at = tuple(int(recipe.flow_samples * share) // recipe.batch * recipe.batch for share in (0.4, 0.6, 0.8))
    train_flow(teaching, recipe, out, Progress(out / "flow.jsonl", every=100), keep_at)
    print(f"flow took {(time.monotonic() - started) / 60:.1f} min", flush=True)
    return out / "pipeline"
