"""The small world's image autoencoder: one 32 x 32 pixel cell <-> 48 numbers, for a FLUX.2-klein pipeline.

Takes the place of the convolutional VAE in the tiny checkpoint (docs/decisions/0011): cells of this world never
overlap, so a linear code of each cell and a small decoder draw them crisply after minutes of training on a CPU. The
pipeline cannot tell the difference: latents are 12 channels at 1/16 of the picture's size, which it packs 2 x 2 into
one 48-number token per cell.

Deliberately not here: any sampling of latents (the code is deterministic), tiling, or cells of another size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils import BaseOutput
from torch import nn
from torch.nn import functional as F


@dataclass
class Encoded(BaseOutput):
    """`latents`: float (batch, latent_channels, height / 16, width / 16)."""

    latents: torch.Tensor


@dataclass
class Decoded(BaseOutput):
    """`sample`: float (batch, 3, height, width), in -1..1."""

    sample: torch.Tensor


class PatchAutoencoder(ModelMixin, ConfigMixin):
    """Linear encoder, two-layer decoder, both applied to every cell alone.

    `block_out_channels` only tells the pipeline the scale: it takes 2 ** (len - 1) = 16 pixels for one latent.
    `bn` holds the latents' mean and variance per packed channel, as in diffusers' AutoencoderKLFlux2.
    """

    _supports_gradient_checkpointing = False

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 12,
        cell_pixels: int = 32,
        hidden: int = 384,
        block_out_channels: tuple[int, ...] = (1, 1, 1, 1, 1),
        batch_norm_eps: float = 1e-4,
    ) -> None:
        super().__init__()
        code, pixels = 4 * latent_channels, 3 * cell_pixels**2
        self.encoder = nn.Conv2d(pixels, code, 1)
        self.decoder = nn.Sequential(
            nn.Conv2d(code, hidden, 1), nn.GELU(), nn.Conv2d(hidden, hidden, 1), nn.GELU(), nn.Conv2d(hidden, pixels, 1)
        )
        self.bn = nn.BatchNorm2d(code, eps=batch_norm_eps, affine=False)

    def encode(self, x: torch.Tensor, return_dict: bool = True) -> Encoded | tuple[torch.Tensor]:
        """Pixels (batch, 3, height, width) in -1..1 -> latents. Height and width are multiples of the cell's."""
        # pixel_shuffle is the inverse of the pipeline's 2 x 2 packing: one cell's 48 numbers end in one token.
        latents = F.pixel_shuffle(self.encoder(F.pixel_unshuffle(x, self.config.cell_pixels)), 2)
        return Encoded(latents=latents) if return_dict else (latents,)

    def decode(self, z: torch.Tensor, return_dict: bool = True) -> Decoded | tuple[torch.Tensor]:
        """Latents (batch, latent_channels, height / 16, width / 16) -> pixels in -1..1."""
        cells = self.decoder(F.pixel_unshuffle(z, 2))
        pixels = F.pixel_shuffle(cells, self.config.cell_pixels).clamp(-1, 1)
        return Decoded(sample=pixels) if return_dict else (pixels,)
