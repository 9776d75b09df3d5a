"""The first two stages: the code of a cell, and a decoder that draws cleanly from a near miss."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from smallworld.paint import cell_table
from smallworld.patchcode import PatchAutoencoder
from training.generator.build import GeneratorRecipe
from training.progress import Progress


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
