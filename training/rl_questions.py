"""Recorded attempts as GRPO's questions: checked, put in an order for the whole run, and said as they are served."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from PIL import Image

from interleavethinker.codec import CriticCodec, ImagePart, Message
from interleavethinker.codec.images import blank, cap_pixels, dimensions
from interleavethinker.errors import BadRequest
from training.data.values import RlExample
from training.grpo_recipe import GrpoRecipe


def question(codec: CriticCodec, example: RlExample) -> list[Message[bytes]]:
    """What the served critic is asked about this attempt: pictures capped as the pack says, a blank one before the
    first."""
    pixels = codec.pack.images.max_pixels
    after = cap_pixels(example.after, pixels)
    before = blank(*dimensions(after)) if example.before is None else cap_pixels(example.before, pixels)
    return codec.messages(example.prompt, example.last_prompt, before, after)


def check(examples: Sequence[RlExample], recipe: GrpoRecipe) -> None:
    """Stops before anything is loaded: enough examples, wrong drawings among them, and pictures that open."""
    if len(examples) < recipe.prompts_per_step:
        raise BadRequest(
            f"{len(examples)} examples are too few for steps of {recipe.prompts_per_step}: make more, or set "
            "prompts_per_step lower"
        )
    if all(example.scores.success for example in examples):
        raise BadRequest("every example is a right drawing: there is nothing to redraw, so nothing to learn from")
    for number, example in enumerate(examples):
        for name, data in (("before", example.before), ("after", example.after)):
            try:
                if data is not None:
                    dimensions(data)
            except BadRequest as error:
                raise BadRequest(f"example {number}, picture {name}: {error.detail}") from None


def order(count: int, recipe: GrpoRecipe) -> list[int]:
    """The examples' numbers in the order of the whole run: every one once before any comes again.

    TRL would shuffle anew at each pass over the data, and forget where it was when a run is resumed.
    """
    rng, numbers = random.Random(f"grpo {recipe.seed}"), list[int]()
    while len(numbers) < recipe.steps * recipe.prompts_per_step:
        numbers += rng.sample(range(count), count)
    return numbers[: recipe.steps * recipe.prompts_per_step]


def dataset(examples: Sequence[RlExample], codec: CriticCodec, numbers: list[int], *, pictures: bool) -> Dataset:
    """The examples with these numbers; with `pictures`, each as the conversation that TRL shows the processor."""
    if not pictures:
        return Dataset.from_dict({"prompt": [examples[number].prompt for number in numbers], "number": numbers})

    def shown(rows: dict[str, list[int]]) -> dict[str, list[Any]]:
        return {"prompt": [said(question(codec, examples[n])) for n in rows["number"]], "number": rows["number"]}

    return Dataset.from_dict({"number": numbers}).with_transform(shown)


def said(messages: Sequence[Message[bytes]]) -> list[dict[str, Any]]:
    """Messages as the processor's chat template takes them."""
    return [
        {
            "role": message.role,
            "content": [
                {"type": "image", "image": Image.open(io.BytesIO(part.image)).convert("RGB")}
                if isinstance(part, ImagePart)
                else {"type": "text", "text": part.text}
                for part in message.parts
            ],
        }
        for message in messages
    ]
