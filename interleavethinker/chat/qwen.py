"""Messages and images as a Qwen3-VL's tensors, the same ones in training and in serving.

The tokens are those of transformers' own `Qwen3VLProcessor`, whose code does the work; it is only relieved of its video
side, which needs torchvision. Needs torch and transformers; loads no weights and generates nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase, Qwen3VLProcessor
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.processing_utils import ProcessorMixin

from interleavethinker.chat.vocabulary import Vocabulary
from interleavethinker.codec import ImagePart, Message
from interleavethinker.errors import BadRequest

IGNORED = -100
"""The label of a token that is not learned; PyTorch's own default."""

Row = dict[str, Tensor]
"""The tensors of a batch, by the names that `Qwen3VLForConditionalGeneration.forward` takes."""


class StillsProcessor(Qwen3VLProcessor):
    """The stock processor for still images only, with the image processor that needs no torchvision.

    It saves no video processor: a directory that others are to serve gets the stock files of its base model.
    """

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.vision_start_token, self.vision_end_token = "<|vision_start|>", "<|vision_end|>"
        for name in ("image", "video", "vision_start", "vision_end"):
            setattr(self, f"{name}_token_id", tokenizer.convert_tokens_to_ids(getattr(self, f"{name}_token")))
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    @classmethod
    def load(cls, directory: str | Path) -> StillsProcessor:
        """From a model directory (or the Hugging Face id of one that lies in the cache)."""
        tokenizer = AutoTokenizer.from_pretrained(directory)
        images = Qwen2VLImageProcessorPil.from_pretrained(directory)
        return cls(images, tokenizer, chat_template=tokenizer.chat_template)


class QwenInputs:
    """Says messages to a Qwen3-VL. Texts cannot write control tokens: `<|im_end|>` in a text is spelled as text."""

    def __init__(self, processor: StillsProcessor) -> None:
        self.processor = processor
        self.tokenizer: PreTrainedTokenizerBase = processor.tokenizer

    @classmethod
    def load(cls, directory: str | Path) -> QwenInputs:
        return cls(StillsProcessor.load(directory))

    def encode(self, messages: Sequence[Message[Any]], *, prefix: Sequence[int] = ()) -> Row:
        """One row up to where the assistant's answer begins, and on with the tokens of `prefix`.

        Gives input_ids, attention_mask, mm_token_type_ids (1, tokens); and where there are images (PIL or encoded
        bytes) pixel_values (patches, patch_dim) and image_grid_thw (images, 3). Raises BadRequest for a broken image.
        """
        conversation = [
            {"role": message.role, "content": [_content(part) for part in message.parts]} for message in messages
        ]
        row = self.processor.apply_chat_template(
            conversation,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            sanitize_control_tokens=True,
        )
        return _append({name: row[name] for name in row}, prefix)

    def example(self, messages: Sequence[Message[Any]], answer: str) -> Row:
        """A row to learn from: `encode`, the answer, the end of turn; and `labels`, IGNORED before the answer."""
        prompt = self.encode(messages)
        row = _append(prompt, [*self.tokens(answer), self.tokenizer.eos_token_id])
        labels = row["input_ids"].clone()
        labels[:, : prompt["input_ids"].shape[1]] = IGNORED
        return row | {"labels": labels}

    def tokens(self, answer: str) -> list[int]:
        """The tokens of an assistant's text, in training and as a prefix. Control tokens in it are spelled as text."""
        tokens: list[int] = self.tokenizer(answer, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return tokens

    def batch(self, rows: Sequence[Row], *, side: Literal["left", "right"] = "right") -> Row:
        """Rows as one batch. Padding goes to the right to learn, to the left to generate."""
        fill = {"input_ids": self.tokenizer.pad_token_id, "labels": IGNORED}
        width = max(row["input_ids"].shape[1] for row in rows)
        names = {name for row in rows for name in row}
        return {
            name: torch.cat([row[name] for row in rows if name in row])
            if name in ("pixel_values", "image_grid_thw")
            else torch.cat([_pad(row[name], width, fill.get(name, 0), side) for row in rows])
            for name in sorted(names)
        }

    def vocabulary(self) -> Vocabulary:
        """The tokens in bytes. The tokeniser must be a byte-level one, as all of Qwen's are."""
        byte_of = {character: byte for byte, character in bytes_to_unicode().items()}
        added = self.tokenizer.added_tokens_decoder
        spellings = {
            token: bytes(byte_of[character] for character in name)
            for name, token in self.tokenizer.get_vocab().items()
            if token not in added
        }
        spellings |= {token: b"" if name.special else name.content.encode() for token, name in added.items()}
        return Vocabulary(spellings)


def _content(part: Any) -> dict[str, Any]:
    if isinstance(part, ImagePart):
        return {"type": "image", "image": _picture(part.image)}
    return {"type": "text", "text": part.text}


def _picture(image: bytes | Image.Image) -> Image.Image:
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    try:
        return Image.open(BytesIO(image)).convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise BadRequest("an image cannot be decoded: send a whole PNG, JPEG or WebP file") from error


def _append(row: Row, tokens: Sequence[int]) -> Row:
    more = torch.tensor([tokens], dtype=torch.long).reshape(1, len(tokens))
    new = {"input_ids": more, "attention_mask": torch.ones_like(more), "mm_token_type_ids": torch.zeros_like(more)}
    return row | {name: torch.cat([row[name], new[name].to(row[name].dtype)], dim=1) for name in new}


def _pad(values: Tensor, width: int, fill: int, side: str) -> Tensor:
    missing = width - values.shape[1]
    return torch.nn.functional.pad(values, (missing, 0) if side == "left" else (0, missing), value=fill)
