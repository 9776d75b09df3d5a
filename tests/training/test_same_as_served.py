"""What is trained is what is served: the same tokens, the same pixels, the same pictures."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
import torch
from PIL import Image

from interleavethinker.chat.qwen import QwenInputs
from interleavethinker.codec import CriticCodec, PlannerCodec, load_pack
from smallworld.paint import paint
from smallworld.scene import Scene, Thing
from training.generator import CALL, GeneratorRecipe, Teaching, build
from training.inputs import LessonInputs
from training.lessons import critic_lesson, planner_lesson
from training.sampler import draw
from training.sft import Teacher
from training.vlm import corpus, processor, scaffolding, tokenizer


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    pack = load_pack("compact")
    planner, critic = PlannerCodec(pack), CriticCodec(pack)
    return Teacher(LessonInputs(processor(tokenizer(corpus(200), scaffolding(planner, critic)))), planner, critic)


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def test_lessons_are_the_tokens_that_are_served(teacher):
    served, rng = QwenInputs(teacher.inputs.processor), random.Random(1)
    for _ in range(12):
        lesson = critic_lesson(rng)
        messages = teacher.critic.messages(lesson.prompt, lesson.last_prompt, png(lesson.before), png(lesson.after))
        same(teacher.row(lesson), served.example(messages, teacher.critic.write(lesson.verdict, lesson.last_prompt)))
        plan = planner_lesson(rng, held_out=False)
        messages = teacher.planner.messages(plan.brief, [png(picture) for picture in plan.pictures])
        same(teacher.row(plan), served.example(messages, teacher.planner.write(plan.plan)))


def same(trained, served):
    assert trained.keys() == served.keys()
    for name, values in trained.items():
        if name == "pixel_values":
            assert torch.allclose(values, served[name], atol=1e-6)
        else:
            assert torch.equal(values, served[name]), name


def test_answers_are_short_and_read_back(teacher):
    rng = random.Random(2)
    for _ in range(30):
        lesson, plan = critic_lesson(rng), planner_lesson(rng, held_out=False)
        said = teacher.critic.write(lesson.verdict, lesson.last_prompt)
        assert teacher.critic.read(said) == lesson.verdict
        assert teacher.planner.read(teacher.planner.write(plan.plan)) == plan.plan
        assert len(teacher.inputs.tokens(said)) < 130
        # the verdict is one token of its own, so that its probability is one number
        offset = teacher.critic.verdict_offset(said)
        assert said[offset:].startswith(("True", "False"))
        assert said[offset : offset + 5].rstrip(",") in {
            teacher.inputs.tokenizer.decode([token]) for token in teacher.inputs.tokens(said)
        }


@pytest.fixture(scope="module")
def pipeline():
    made = build(GeneratorRecipe(text_width=64, heads=2, double_blocks=1, single_blocks=1))
    Teaching(made).learn_codes()
    made.set_progress_bar_config(disable=True)
    return made


def test_the_batched_sampler_draws_what_the_pipeline_draws(pipeline):
    before = paint(Scene("snow", {"b4": Thing("white", "snowball"), "d1": Thing("red", "kite")}))
    prompts = ["a snow scene with a white snowball at b4", "add a red hat at b3", "remove the red kite"]
    together = draw(pipeline, prompts, [None, before, before[:, ::-1].copy()], [1, 2, 3])
    for prompt, reference, seed, batched in zip(
        prompts, [None, before, before[:, ::-1].copy()], [1, 2, 3], together, strict=True
    ):
        image = None if reference is None else Image.fromarray(reference)
        alone = pipeline(prompt=prompt, image=image, generator=torch.Generator().manual_seed(seed), **CALL).images[0]
        assert np.abs(np.asarray(alone).astype(int) - batched.astype(int)).max() <= 1


def test_latents_by_look_up_equal_the_encoded_picture(pipeline):
    scene = Scene("beach", {"a3": Thing("red", "boat"), "d1": Thing("yellow", "sun")})
    teaching = Teaching(pipeline)
    teaching.learn_codes()
    pixels = torch.from_numpy(paint(scene).copy()).permute(2, 0, 1)[None].float().div(127.5).sub(1)
    encoded = pipeline._pack_latents(pipeline._encode_vae_image(pixels, generator=None))
    assert torch.allclose(teaching.latents([scene]), encoded, atol=1e-4)
