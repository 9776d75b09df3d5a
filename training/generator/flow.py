"""The last stage: rectified flow on the pipeline's own token layout. The averaged weights are what is kept."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from smallworld.sample import Example, examples
from training.generator.build import NUM_CELLS, GeneratorRecipe, save_pipeline
from training.generator.teaching import Teaching
from training.progress import Progress, load_state, save_state


def flow_batches(recipe: GeneratorRecipe, start: int) -> Iterator[list[Example]]:
    """Batches all of first pictures or all of edits, from the `start`-th on; each is a function of its number alone."""
    number = start
    while True:
        rng = random.Random(f"flow {recipe.seed} {number}")
        stream = examples(rng, first=1.0 if rng.random() < recipe.first_share else 0.0, rarity=recipe.rarity)
        yield [next(stream) for _ in range(recipe.batch)]
        number += 1


def learning_rate(recipe: GeneratorRecipe, done: float, step: int) -> float:
    """Warm-up over 300 steps, constant until `decay_from`, then linear to 2%. `done` is the share of the run in
    0..1."""
    decay = 1.0 if done < recipe.decay_from else max(0.02, 1 - (done - recipe.decay_from) / (1 - recipe.decay_from))
    return recipe.learning_rate * min(1.0, (step + 1) / 300) * decay


def train_flow(
    teaching: Teaching, recipe: GeneratorRecipe, out: Path, progress: Progress, keep_at: tuple[int, ...]
) -> None:
    """Rectified flow. The averaged weights are what is saved; `keep_at` also saves weaker pipelines on the way (in
    samples)."""
    pipeline = teaching.pipeline
    live = nn.ModuleList([pipeline.text_encoder, pipeline.transformer])
    ema = copy.deepcopy(live).requires_grad_(False)
    parameters = list(live.parameters())
    optimizer = torch.optim.AdamW(parameters, recipe.learning_rate, betas=(0.9, 0.97), weight_decay=0.01)
    noise = torch.Generator()
    total = math.ceil(recipe.flow_samples / recipe.batch)
    start = load_state(out / "flow.pt", live=live, ema=ema, optimizer=optimizer)
    batches = flow_batches(recipe, start)
    encoder, transformer = live[0], live[1]
    for step in progress.steps(total, start):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step / total, step)
        batch = next(batches)
        noise.manual_seed(recipe.seed * 1_000_003 + step)  # a resumed run sees the same noise
        clean = teaching.latents([example.after for example in batch])
        count = len(batch)
        level = torch.sigmoid(torch.randn(count, generator=noise) + recipe.noise_shift)
        pure = torch.rand(count, generator=noise) < recipe.pure_noise_share
        level = torch.where(pure, torch.ones_like(level), level)[:, None, None]
        start_noise = torch.randn(clean.shape, generator=noise)
        tokens = (1 - level) * clean + level * start_noise
        positions = teaching.target_ids
        if batch[0].before is not None:
            tokens = torch.cat([tokens, teaching.latents([example.before or example.after for example in batch])], 1)
            positions = torch.cat([teaching.target_ids, teaching.reference_ids])
        features, _ = teaching.text(encoder, [example.prompt for example in batch])
        velocity = transformer(
            hidden_states=tokens,
            encoder_hidden_states=features,
            timestep=level[:, 0, 0],
            img_ids=positions.expand(count, -1, -1),
            txt_ids=teaching.text_ids.expand(count, -1, -1),
            guidance=None,
            return_dict=False,
        )[0][:, :NUM_CELLS]
        loss = F.mse_loss(velocity, start_noise - clean)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(
                list(ema.parameters()), list[torch.Tensor](parameters), 1 - min(recipe.ema, (1 + step) / (10 + step))
            )
        progress.log(step, samples=(step + 1) * recipe.batch, loss=loss.item())
        if (step + 1) % 500 == 0 or step + 1 == total:
            save_state(out / "flow.pt", step + 1, live=live, ema=ema, optimizer=optimizer)
        for samples in keep_at:
            if step + 1 == samples // recipe.batch:
                save_pipeline(pipeline, ema, out / f"at-{samples}")
    save_pipeline(pipeline, ema, out / "pipeline")
