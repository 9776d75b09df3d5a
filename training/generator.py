"""Trains the small world's generator: a FLUX.2-klein-shaped pipeline of a few million parameters, from nothing, on a
CPU.

Four stages, each resumable: `autoencoder` (cells <-> code), `polish` (its decoder alone), `grounding` (the text
encoder learns what the words ask for, before anything is drawn), `flow` (rectified flow on the pipeline's own token
layout; text-to-image, and edits with the picture before as the reference). The data never ends and is never stored:
every batch is painted from a seed.

What is deliberately not here: real photographs, other architectures, LoRA. Measuring is in `evaluation`.
"""

from __future__ import annotations

import copy
import json
import math
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, Flux2Transformer2DModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from smallworld.paint import CONTENT_INDEX, cell_table
from smallworld.patchcode import PatchAutoencoder
from smallworld.prompts import Add, Move, Paint, vocabulary
from smallworld.sample import EDITS, Example, examples
from smallworld.scene import CELLS, COLOURS, GRID, KINDS, SETTINGS, Scene
from training.progress import Progress, load_state, save_state

TEXT_LAYERS = (1, 2, 3)
TEXT_TOKENS = 28
NUM_CELLS = len(CELLS)
CALL = {
    "num_inference_steps": 4,
    "guidance_scale": 1.0,
    "text_encoder_out_layers": list(TEXT_LAYERS),
    "max_sequence_length": TEXT_TOKENS,
    "width": 128,
    "height": 128,
}
"""What the pipeline must be called with; written to `call.json` beside it."""


@dataclass(frozen=True)
class GeneratorRecipe:
    """Everything that makes a training run what it is. Samples, not minutes, so that a run can be repeated."""

    seed: int = 0
    threads: int = 1
    text_width: int = 128
    heads: int = 4
    double_blocks: int = 2
    single_blocks: int = 4
    autoencoder_steps: int = 2500
    polish_steps: int = 1500
    grounding_steps: int = 900
    flow_samples: int = 200_000
    batch: int = 16
    learning_rate: float = 1.5e-3
    decay_from: float = 0.6
    ema: float = 0.999
    first_share: float = 0.3
    pure_noise_share: float = 0.25
    noise_shift: float = 1.0


def word_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word of the drawing prompts; any other word is [UNK]."""
    words = ["[PAD]", "[UNK]", "[BOS]", "[END]", *vocabulary()]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", bos_token="[BOS]", eos_token="[END]"
    )
    fast.padding_side = "right"
    fast.chat_template = "{% for m in messages %}{{ '[BOS] ' + m['content'] + ' [END]' }}{% endfor %}"
    return fast


def build(recipe: GeneratorRecipe) -> Flux2KleinPipeline:
    """A fresh pipeline with random weights."""
    torch.manual_seed(recipe.seed)
    tokenizer = word_tokenizer()
    width, head = recipe.text_width, recipe.text_width // recipe.heads
    text_encoder = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=3,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            head_dim=head,
            tie_word_embeddings=True,
            max_position_embeddings=128,
        )
    )
    vae = PatchAutoencoder()
    transformer = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=4 * vae.config.latent_channels,
        num_layers=recipe.double_blocks,
        num_single_layers=recipe.single_blocks,
        attention_head_dim=32,
        num_attention_heads=recipe.heads,
        joint_attention_dim=len(TEXT_LAYERS) * width,
        axes_dims_rope=(8, 8, 8, 8),
        guidance_embeds=False,
    )
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=False),
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        transformer=transformer,
        is_distilled=True,
    )


class Teaching:
    """The pipeline's own arithmetic, batched for training: text features, latents by look-up, positions."""

    def __init__(self, pipeline: Flux2KleinPipeline) -> None:
        self.pipeline = pipeline
        self.tokenizer = pipeline.tokenizer
        self.target_ids = pipeline._prepare_latent_ids(torch.zeros(1, 1, GRID, GRID))[0]
        self.reference_ids = pipeline._prepare_image_ids([torch.zeros(1, 1, GRID, GRID)])[0]
        self.text_ids = pipeline._prepare_text_ids(torch.zeros(1, TEXT_TOKENS, 1))[0]
        self.codes: torch.Tensor | None = None

    def tokens(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        texts = [f"[BOS] {prompt} [END]" for prompt in prompts]
        return self.tokenizer(
            texts,
            return_tensors="pt",
            padding="max_length",
            truncation=True,
            max_length=TEXT_TOKENS,
            return_token_type_ids=False,
        )

    def text(self, encoder: Qwen3ForCausalLM, prompts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (n, TEXT_TOKENS, 3 * width) and the mask, as the pipeline computes them."""
        batch = self.tokens(prompts)
        states = encoder.model(**batch, output_hidden_states=True, use_cache=False).hidden_states
        stacked = torch.stack([states[layer] for layer in TEXT_LAYERS], dim=2)
        return stacked.flatten(2), batch["attention_mask"]

    @torch.no_grad()
    def learn_codes(self) -> None:
        """Encode every cell there can be once, and set the autoencoder's latent statistics."""
        vae = self.pipeline.vae
        table = cell_table()
        pixels = (
            torch.from_numpy(table.reshape(-1, *table.shape[-3:]).copy()).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        )
        codes = vae.encoder(F.pixel_unshuffle(pixels, vae.config.cell_pixels))[:, :, 0, 0].view(*table.shape[:3], -1)
        # Half of all cells are empty in real pictures: weigh empty and full alike.
        empty, full = codes[:, :, :1].expand_as(codes).flatten(0, 2), codes.flatten(0, 2)
        both = torch.cat([empty, full])
        vae.bn.running_mean.copy_(both.mean(0))
        vae.bn.running_var.copy_(both.var(0))
        std = torch.sqrt(vae.bn.running_var + vae.config.batch_norm_eps)
        self.codes = (codes - vae.bn.running_mean) / std

    def latents(self, scenes: list[Scene]) -> torch.Tensor:
        """Normalised tokens (n, 16, code) of painted scenes."""
        assert self.codes is not None
        settings = torch.tensor([SETTINGS.index(scene.setting) for scene in scenes])[:, None]
        rows = torch.arange(NUM_CELLS).div(GRID, rounding_mode="floor")[None]
        contents = torch.tensor([[CONTENT_INDEX[scene.things.get(cell)] for cell in CELLS] for scene in scenes])
        return self.codes[settings, rows, contents]


def train_autoencoder(vae: PatchAutoencoder, recipe: GeneratorRecipe, progress: Progress) -> None:
    """Mean squared error on all 3,860 cells; noise on the code makes the decoder draw crisply from a near miss."""
    table = cell_table()
    cells = torch.from_numpy(table.reshape(-1, *table.shape[-3:]).copy()).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    flat = F.pixel_unshuffle(cells, vae.config.cell_pixels)[:, :, 0, 0]
    generator = torch.Generator().manual_seed(recipe.seed)
    with torch.no_grad():  # start from the principal components
        mean = flat.mean(0)
        _, scales, directions = torch.pca_lowrank(flat - mean, vae.encoder.out_channels)
        weight = directions.T / (scales[0] / len(flat) ** 0.5)
        vae.encoder.weight.copy_(weight[:, :, None, None])
        assert vae.encoder.bias is not None
        vae.encoder.bias.copy_(-(weight @ mean))
    optimizer = torch.optim.AdamW(vae.parameters(), 2e-3, weight_decay=0)
    for step in progress.steps(recipe.autoencoder_steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 50) * max(0.02, 1 - step / recipe.autoencoder_steps)
        wanted = cells[torch.randint(len(cells), (256,), generator=generator)]
        code = vae.encoder(F.pixel_unshuffle(wanted, vae.config.cell_pixels))
        noisy = code + torch.randn(code.shape, generator=generator) * code.std(0).detach() * 0.15
        loss = F.mse_loss(F.pixel_shuffle(vae.decoder(noisy), vae.config.cell_pixels), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        progress.log(step, rmse_255=loss.item() ** 0.5 * 127.5)


def polish_decoder(vae: PatchAutoencoder, recipe: GeneratorRecipe, progress: Progress) -> None:
    """Let the decoder alone learn to draw cleanly from a near miss; the code itself stays as the transformer knows it.

    Most cells of a picture are empty, so many of these are shown: a trace of something in an empty cell is what people
    see.
    """
    table = cell_table()
    cells = torch.from_numpy(table.copy()).permute(0, 1, 2, 5, 3, 4).float().div(127.5).sub(1)
    empty, full = cells[:, :, 0].flatten(0, 1), cells[:, :, 1:].flatten(0, 2)
    generator = torch.Generator().manual_seed(recipe.seed + 1)
    optimizer = torch.optim.AdamW(vae.decoder.parameters(), 1e-3, weight_decay=0)
    with torch.no_grad():
        spread = vae.encoder(F.pixel_unshuffle(full, vae.config.cell_pixels)).std(0)
    for step in progress.steps(recipe.polish_steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 50) * max(0.02, 1 - step / recipe.polish_steps)
        wanted = torch.cat(
            [
                empty[torch.randint(len(empty), (64,), generator=generator)],
                full[torch.randint(len(full), (128,), generator=generator)],
            ]
        )
        with torch.no_grad():
            code = vae.encoder(F.pixel_unshuffle(wanted, vae.config.cell_pixels))
            miss = torch.rand(len(code), 1, 1, 1, generator=generator) * 0.3
            code = code + torch.randn(code.shape, generator=generator) * spread * miss
        loss = F.mse_loss(F.pixel_shuffle(vae.decoder(code), vae.config.cell_pixels), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        progress.log(step, rmse_255=loss.item() ** 0.5 * 127.5)


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
    stream = examples(random.Random(f"grounding {recipe.seed}"), first=0.4)
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


def flow_batches(recipe: GeneratorRecipe, start: int) -> Iterator[list[Example]]:
    """Batches all of first pictures or all of edits, from the `start`-th on; each is a function of its number alone."""
    number = start
    while True:
        rng = random.Random(f"flow {recipe.seed} {number}")
        stream = examples(rng, first=1.0 if rng.random() < recipe.first_share else 0.0)
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


def save_pipeline(pipeline: Flux2KleinPipeline, ema: nn.ModuleList, directory: Path) -> None:
    """Write the averaged weights as a diffusers directory in float16, with the arguments it must be called with."""
    text_encoder, transformer = copy.deepcopy(ema[0]).half(), copy.deepcopy(ema[1]).half()
    served = Flux2KleinPipeline(
        scheduler=pipeline.scheduler,
        vae=copy.deepcopy(pipeline.vae).half(),
        text_encoder=text_encoder,
        tokenizer=pipeline.tokenizer,
        transformer=transformer,
        is_distilled=True,
    )
    temporary = directory.with_name(directory.name + ".new")
    shutil.rmtree(temporary, ignore_errors=True)
    served.save_pretrained(temporary, safe_serialization=True)
    index = json.loads((temporary / "model_index.json").read_text())
    index["vae"] = ["smallworld.patchcode", "PatchAutoencoder"]
    (temporary / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    (temporary / "call.json").write_text(json.dumps(CALL, indent=2) + "\n")
    shutil.rmtree(directory, ignore_errors=True)
    temporary.rename(directory)


def train(recipe: GeneratorRecipe, out: Path) -> Path:
    """Run all stages that are not yet done, and return the pipeline's directory."""
    torch.set_num_threads(recipe.threads)
    out.mkdir(parents=True, exist_ok=True)
    pipeline = build(recipe)
    teaching = Teaching(pipeline)
    for name, stage in (
        ("autoencoder", lambda progress: train_autoencoder(pipeline.vae, recipe, progress)),
        ("polish", lambda progress: polish_decoder(pipeline.vae, recipe, progress)),
        ("grounding", lambda progress: train_grounding(teaching, pipeline.text_encoder, recipe, progress)),
    ):
        module = pipeline.text_encoder if name == "grounding" else pipeline.vae
        if not load_state(out / f"{name}.pt", module=module):
            stage(Progress(out / f"{name}.jsonl", every=50))
            save_state(out / f"{name}.pt", 1, module=module)
    teaching.learn_codes()
    started = time.monotonic()
    keep_at = tuple(int(recipe.flow_samples * share) // recipe.batch * recipe.batch for share in (0.4, 0.6, 0.8))
    train_flow(teaching, recipe, out, Progress(out / "flow.jsonl", every=100), keep_at)
    print(f"flow took {(time.monotonic() - started) / 60:.1f} min", flush=True)
    return out / "pipeline"


def to_tensor(images: list[np.ndarray]) -> torch.Tensor:
    """uint8 (height, width, 3) arrays -> float (n, 3, height, width) in -1..1."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div(127.5).sub(1)
