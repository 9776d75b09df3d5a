"""The pipeline's own arithmetic, batched for training. Draws nothing and learns nothing."""

from __future__ import annotations

import torch
from diffusers import Flux2KleinPipeline
from torch.nn import functional as F
from transformers import Qwen3ForCausalLM

from smallworld.paint import CONTENT_INDEX, cell_table
from smallworld.scene import CELLS, GRID, SETTINGS, Scene
from training.generator.build import NUM_CELLS, TEXT_LAYERS, TEXT_TOKENS


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
