"""Teach the vision tower to see before the language model learns to speak: each merged token says which cell it is, and
what the cell holds.

That a token knows its own cell matters as much as its content: text can then ask for "b2" by content, which rotary
positions alone do not give it (they only tell distances, and these change with every word in between).

A critic that starts without this stays at chance for a long time (docs/decisions/0013); a few minutes of it make every
later answer a matter of looking up.
"""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import Qwen3VLForConditionalGeneration

from smallworld.measure import read
from smallworld.paint import paint
from smallworld.sample import random_scene
from smallworld.scene import CELLS, COLOURS, KINDS, SETTINGS, Scene
from training.inputs import PATCH, patches
from training.lessons import smudge
from training.progress import Progress


def seen(rng: random.Random) -> tuple[np.ndarray, Scene, tuple[str, ...]]:
    """A picture to read, sometimes noisy or smudged: (uint8 picture, scene, smudged cells)."""
    scene = random_scene(rng, 2, 9)
    picture = paint(scene)
    smudged: tuple[str, ...] = ()
    if rng.random() < 0.25:
        cell = rng.choice(CELLS)
        spoiled = smudge(rng, picture, cell)
        if cell in read(spoiled).smudged:
            picture, smudged = spoiled, (cell,)
    if rng.random() < 0.7:
        noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(0, 7), picture.shape)
        picture = np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)
    return picture, scene, smudged


def ground(model: Qwen3VLForConditionalGeneration, steps: int, seed: int, progress: Progress, batch: int = 16) -> float:
    """Train `model.model.visual` in place; returns the share of occupied cells read right in the last report."""
    visual = model.model.visual
    width = model.config.vision_config.out_hidden_size
    heads = nn.ModuleList([nn.Linear(width, len(names) + 2) for names in (COLOURS, KINDS, SETTINGS, CELLS)])
    parameters = [*visual.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, 2e-3, betas=(0.9, 0.98))
    rng, right = random.Random(f"ground {seed}"), 0.0
    for step in progress.steps(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 50) * max(0.05, 1 - step / steps)
        shown = [seen(rng) for _ in range(batch)]
        pixels = torch.from_numpy(np.concatenate([patches(picture) for picture, _, _ in shown]))
        side = shown[0][0].shape[0] // PATCH
        features = model.model.get_image_features(pixels, torch.tensor([[1, side, side]] * batch)).pooler_output
        features = features if torch.is_tensor(features) else torch.cat(list(features))
        wanted = torch.tensor([_labels(scene, smudged) for _, scene, smudged in shown]).view(-1, 4)
        logits = [head(features) for head in heads]
        loss = sum((F.cross_entropy(each, wanted[:, i]) for i, each in enumerate(logits)), torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        occupied = wanted[:, 0] > 0
        exact = torch.stack([each.argmax(-1) == wanted[:, i] for i, each in enumerate(logits)]).all(0)
        right = exact[occupied].float().mean().item()
        progress.log(step, loss=loss.item(), occupied_right=right)
    return right


def _labels(scene: Scene, smudged: tuple[str, ...]) -> list[list[int]]:
    """Per cell: colour, kind, setting, cell as class numbers; colour and kind are 0 when empty, 1 when smudged."""
    rows = []
    for number, cell in enumerate(CELLS):
        thing, held = scene.things.get(cell), [0, 0]
        if cell in smudged:
            held = [1, 1]
        elif thing:
            held = [2 + COLOURS.index(thing.colour), 2 + KINDS.index(thing.kind)]
        rows.append([*held, SETTINGS.index(scene.setting), number])
    return rows
