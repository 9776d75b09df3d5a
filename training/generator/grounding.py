"""The third stage: the text encoder learns what the words ask for, before anything is drawn."""

from __future__ import annotations

import random

import torch
from torch import nn
from torch.nn import functional as F
from transformers import Qwen3ForCausalLM

from smallworld.edits import Add, Move, Paint
from smallworld.sample import EDITS, Example, examples
from smallworld.scene import CELLS, COLOURS, KINDS, SETTINGS
from training.generator.build import NUM_CELLS, GeneratorRecipe
from training.generator.teaching import Teaching
from training.progress import Progress


class Grounding(nn.Module):
    """Queries that read out of the text features what each cell is asked to hold, and what kind of edit it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(NUM_CELLS + 4, width) * 0.05)
        self.keys, self.values = nn.Linear(3 * width, width), nn.Linear(3 * width, width)
        self.colour, self.kind = nn.Linear(width, len(COLOURS) + 1), nn.Linear(width, len(KINDS) + 1)
        self.edit, self.setting = nn.Linear(width, len(set(EDITS)) + 1), nn.Linear(width, len(SETTINGS) + 1)

    def forward(self, features: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        scores = self.queries @ self.keys(features).transpose(1, 2) / features.shape[-1] ** 0.5
        read = scores.masked_fill(~mask.bool()[:, None], -1e9).softmax(-1) @ self.values(features) + self.queries
        return {
            "colour": self.colour(read[:, : NUM_CELLS + 2]),  # cells, the thing named, and the anchor or new value
            "kind": self.kind(read[:, : NUM_CELLS + 2]),
            "edit": self.edit(read[:, NUM_CELLS + 2]),
            "setting": self.setting(read[:, NUM_CELLS + 3]),
        }


def grounding_targets(batch: list[Example]) -> dict[str, torch.Tensor]:
    """What the words of each prompt say, as class numbers; the last class is "not said"."""
    kinds_of_edit = [Paint, *dict.fromkeys(EDITS)]
    colour = torch.full((len(batch), NUM_CELLS + 2), len(COLOURS))
    kind = torch.full((len(batch), NUM_CELLS + 2), len(KINDS))
    setting = torch.full((len(batch),), len(SETTINGS))
    for i, example in enumerate(batch):
        edit = example.edit
        named = dict(edit.scene.things) if isinstance(edit, Paint) else {}
        place = getattr(edit, "place", None)
        if isinstance(edit, Add | Move) and edit.place.cell:
            named[edit.place.cell] = edit.thing
        slots = [(CELLS.index(cell), thing) for cell, thing in named.items()]
        if not isinstance(edit, Paint) and hasattr(edit, "thing"):
            slots.append((NUM_CELLS, edit.thing))
        if place and place.anchor:
            slots.append((NUM_CELLS + 1, place.anchor))
        for slot, thing in slots:
            colour[i, slot], kind[i, slot] = COLOURS.index(thing.colour), KINDS.index(thing.kind)
        if hasattr(edit, "colour"):
            colour[i, NUM_CELLS + 1] = COLOURS.index(edit.colour)
        if hasattr(edit, "kind"):
            kind[i, NUM_CELLS + 1] = KINDS.index(edit.kind)
        said = edit.scene.setting if isinstance(edit, Paint) else getattr(edit, "setting", None)
        if said:
            setting[i] = SETTINGS.index(said)
    edits = torch.tensor([kinds_of_edit.index(type(example.edit)) for example in batch])
    return {"colour": colour, "kind": kind, "edit": edits, "setting": setting}


def train_grounding(teaching: Teaching, encoder: Qwen3ForCausalLM, recipe: GeneratorRecipe, progress: Progress) -> None:
    head = Grounding(recipe.text_width)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, 2e-3)
    stream = examples(random.Random(f"grounding {recipe.seed}"), first=0.4, rarity=recipe.rarity)
    for step in progress.steps(recipe.grounding_steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 30) * max(0.05, 1 - step / recipe.grounding_steps)
        batch = [next(stream) for _ in range(48)]
        targets = grounding_targets(batch)
        logits = head(*teaching.text(encoder, [example.prompt for example in batch]))
        said = targets["kind"] < len(KINDS)
        # Few slots are spoken of; without this weight the encoder learns to say "nothing" everywhere.
        weight = torch.where(said | (targets["colour"] < len(COLOURS)), 6.0, 0.4).flatten()
        loss = torch.zeros(())
        for name in ("colour", "kind"):
            each = F.cross_entropy(logits[name].flatten(0, 1), targets[name].flatten(), reduction="none")
            loss = loss + (weight * each).mean()
        for name in ("edit", "setting"):
            loss = loss + 0.3 * F.cross_entropy(logits[name], targets[name])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        right = (logits["colour"].argmax(-1) == targets["colour"]) & (logits["kind"].argmax(-1) == targets["kind"])
        progress.log(step, loss=loss.item(), said_right=right[said].float().mean().item())
