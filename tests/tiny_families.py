"""A pipeline of random weights for each family of image models, a few thousand parameters each, written to a directory
as a trained one would be. Every class is diffusers' own; so are the files.

Qwen's and LongCat's directories name our image processor, since the stock one wants torchvision.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.omnigen import pipeline_omnigen, processor_omnigen
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5EncoderModel,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from interleavethinker.chat.qwen import StillsProcessor
from tests import tiny, tiny_klein

SIDE, WIDTH = 64, 32


def _words() -> PreTrainedTokenizerFast:
    words = tiny_klein.tokenizer()
    words.model_max_length = 16
    return words


def _flow(**how: Any) -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(**({"shift": 3.0} | how))


def _vae(**how: Any) -> AutoencoderKL:
    """Eight pixels a latent."""
    return AutoencoderKL(
        **{
            "block_out_channels": (8, 8, 8, 8), "layers_per_block": 1, "latent_channels": 4, "norm_num_groups": 4,
            "sample_size": SIDE, "down_block_types": ("DownEncoderBlock2D",) * 4, "shift_factor": 0.1,
            "up_block_types": ("UpDecoderBlock2D",) * 4, "mid_block_add_attention": False, "scaling_factor": 0.5,
            "use_quant_conv": False, "use_post_quant_conv": False,
        } | how
    )  # fmt: skip


def _clip(kind: type = CLIPTextModel) -> Any:
    return kind(
        CLIPTextConfig(
            vocab_size=len(_words()), hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=16, projection_dim=WIDTH, bos_token_id=2, eos_token_id=3,
            pad_token_id=0,
        )
    ).eval()  # fmt: skip


def _t5() -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(vocab_size=len(_words()), d_model=WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    ).eval()


def _qwen25() -> tuple[Any, PreTrainedTokenizerFast, StillsProcessor]:
    """Qwen2.5-VL, its tokenizer, its processor for still images."""
    words = tiny.tokenizer()
    ids = {name: words.convert_tokens_to_ids(name) for name in tiny.CONTROL}
    model = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={
                "vocab_size": len(words), "hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 1,
                "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 4096,
                "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]},
                "bos_token_id": None, "eos_token_id": ids["<|im_end|>"], "pad_token_id": ids["<|endoftext|>"],
            },
            vision_config={
                "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": WIDTH,
                "fullatt_block_indexes": [0],
            },
            image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
            vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
        )
    ).eval()  # fmt: skip
    images = Qwen2VLImageProcessorPil(size={"shortest_edge": 28 * 28, "longest_edge": 56 * 56})
    return model, words, StillsProcessor(images, words, chat_template=words.chat_template)


def klein(directory: Path) -> None:
    tiny_klein.build(directory)


def klein_kv(directory: Path) -> None:
    tiny_klein.build(directory)
    index = directory / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": "Flux2KleinKVPipeline"}))
    call = {name: value for name, value in tiny_klein.CALL.items() if name != "guidance_scale"}
    (directory / "call.json").write_text(json.dumps(call))


def kontext(directory: Path) -> None:
    transformer = diffusers.FluxTransformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=WIDTH, pooled_projection_dim=WIDTH, axes_dims_rope=(4, 4, 8), guidance_embeds=True,
    )  # fmt: skip
    diffusers.FluxKontextPipeline(
        scheduler=_flow(), vae=_vae(), text_encoder=_clip(), tokenizer=_words(), text_encoder_2=_t5(),
        tokenizer_2=_words(), transformer=transformer,
    ).save_pretrained(directory)  # fmt: skip


def _qwen_image(directory: Path, kind: type) -> None:
    model, words, processor = _qwen25()
    transformer = diffusers.QwenImageTransformer2DModel(
        in_channels=16, out_channels=4, num_layers=1, attention_head_dim=16, num_attention_heads=1,
        joint_attention_dim=WIDTH, axes_dims_rope=(8, 4, 4),
    )  # fmt: skip
    vae = diffusers.AutoencoderKLQwenImage(
        base_dim=4, z_dim=4, num_res_blocks=1, dim_mult=[1, 1, 1, 1], temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
    )  # fmt: skip
    kind(
        scheduler=_flow(), vae=vae, text_encoder=model, tokenizer=words, processor=processor, transformer=transformer
    ).save_pretrained(directory)


def qwen_edit(directory: Path) -> None:
    _qwen_image(directory, diffusers.QwenImageEditPipeline)


def qwen_edit_plus(directory: Path) -> None:
    _qwen_image(directory, diffusers.QwenImageEditPlusPipeline)


def z_image(directory: Path) -> None:
    words = tiny_klein.tokenizer()
    encoder = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(words), hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, head_dim=8, max_position_embeddings=64,
        )
    ).model.eval()  # fmt: skip
    transformer = diffusers.ZImageTransformer2DModel(
        in_channels=4, dim=WIDTH, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=WIDTH,
        axes_dims=[8, 4, 4], axes_lens=[256, 32, 32],
    )  # fmt: skip
    diffusers.ZImagePipeline(
        scheduler=_flow(), vae=_vae(), text_encoder=encoder, tokenizer=words, transformer=transformer
    ).save_pretrained(directory)


def sd35(directory: Path) -> None:
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=4,
        joint_attention_dim=2 * WIDTH, caption_projection_dim=WIDTH, pooled_projection_dim=2 * WIDTH, out_channels=4,
        pos_embed_max_size=32,
    )  # fmt: skip
    t5 = T5EncoderModel(
        T5Config(vocab_size=len(_words()), d_model=2 * WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    ).eval()
    diffusers.StableDiffusion3Pipeline(
        transformer=transformer, scheduler=_flow(), vae=_vae(), text_encoder=_clip(CLIPTextModelWithProjection),
        tokenizer=_words(), text_encoder_2=_clip(CLIPTextModelWithProjection), tokenizer_2=_words(), text_encoder_3=t5,
        tokenizer_3=_words(),
    ).save_pretrained(directory)  # fmt: skip


def _sdxl(directory: Path, kind: type, channels: int) -> None:
    unet = diffusers.UNet2DConditionModel(
        sample_size=8, in_channels=channels, out_channels=4, block_out_channels=(8, 16), layers_per_block=1,
        norm_num_groups=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=(2, 4), use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=8, transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=6 * 8 + WIDTH, cross_attention_dim=2 * WIDTH,
    )  # fmt: skip
    kind(
        vae=_vae(shift_factor=None, use_quant_conv=True, use_post_quant_conv=True), text_encoder=_clip(),
        text_encoder_2=_clip(CLIPTextModelWithProjection), tokenizer=_words(), tokenizer_2=_words(), unet=unet,
        scheduler=EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
    ).save_pretrained(directory)  # fmt: skip


def sdxl(directory: Path) -> None:
    _sdxl(directory, diffusers.StableDiffusionXLPipeline, 4)


def sdxl_pix2pix(directory: Path) -> None:
    _sdxl(directory, diffusers.StableDiffusionXLInstructPix2PixPipeline, 8)


def longcat_edit(directory: Path) -> None:
    model, words, processor = _qwen25()
    transformer = diffusers.LongCatImageTransformer2DModel(
        in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=1,
        joint_attention_dim=WIDTH, pooled_projection_dim=WIDTH, axes_dims_rope=[4, 4, 8],
    )  # fmt: skip
    diffusers.LongCatImageEditPipeline(
        scheduler=_flow(), vae=_vae(latent_channels=16), text_encoder=model, tokenizer=words,
        text_processor=processor, transformer=transformer,
    ).save_pretrained(directory)  # fmt: skip


class _Transforms:
    """The four of torchvision's transforms that OmniGen's processor asks for; torchvision cannot stand beside the CPU
    build of torch (docs/decisions/0006)."""

    @staticmethod
    def Lambda(function: Callable[[Any], Any]) -> Callable[[Any], Any]:  # noqa: N802
        return function

    @staticmethod
    def Compose(parts: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:  # noqa: N802
        return lambda value: reduce(lambda made, part: part(made), parts, value)

    @staticmethod
    def ToTensor() -> Callable[[Any], torch.Tensor]:  # noqa: N802
        return lambda image: torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255

    @staticmethod
    def Normalize(mean: list[float], std: list[float], inplace: bool) -> Callable[[torch.Tensor], torch.Tensor]:  # noqa: N802
        shift, scale = torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1)
        return lambda image: (image - shift) / scale


def omnigen(directory: Path) -> None:
    if not hasattr(processor_omnigen, "transforms"):
        processor_omnigen.transforms = _Transforms
        pipeline_omnigen.OmniGenMultiModalProcessor = processor_omnigen.OmniGenMultiModalProcessor
    words = tiny_klein.tokenizer()
    transformer = diffusers.OmniGenTransformer2DModel(
        in_channels=4, patch_size=2, hidden_size=WIDTH, num_attention_heads=2, num_key_value_heads=2, num_layers=2,
        intermediate_size=32, pad_token_id=0, vocab_size=len(words), max_position_embeddings=2048, time_step_dim=16,
        original_max_position_embeddings=2048, pos_embed_max_size=32,
        rope_scaling={"long_factor": [1.0] * 8, "short_factor": [1.0] * 8},
    )  # fmt: skip
    diffusers.OmniGenPipeline(
        transformer=transformer, scheduler=_flow(invert_sigmas=True, num_train_timesteps=1), vae=_vae(), tokenizer=words
    ).save_pretrained(directory)


FAMILIES: dict[str, Callable[[Path], None]] = {
    "flux2-klein-4b": klein,
    "flux2-klein-9b": klein,
    "flux2-klein-9b-kv": klein_kv,
    "flux1-kontext": kontext,
    "qwen-image-edit": qwen_edit_plus,
    "z-image": z_image,
    "sd35-large": sd35,
    "sdxl": sdxl,
    "longcat-image-edit": longcat_edit,
    "omnigen": omnigen,
}
"""By preset."""

PARTNERS = {"sdxl": sdxl_pix2pix}


def build(directory: Path, builder: Callable[[Path], None], *, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    builder(directory)
    return directory
