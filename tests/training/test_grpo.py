"""GRPO of the critic: its questions are the served ones, its redraws go through the port, and its loss is the one that
a hand computes, dropped samples left out."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import Qwen3VLForConditionalGeneration

from interleavethinker.chat.qwen import QwenInputs
from interleavethinker.codec import CriticCodec, load_pack
from interleavethinker.errors import BadRequest, BadSettings, DrawFailed, Unavailable
from interleavethinker.ports import put_image
from interleavethinker.types import Critique
from services.critic_service.service import CriticService
from services.critic_service.settings import CriticSettings
from tests import lessons
from tests.fake_generator import FakeGenerator
from training.batched import BatchedGenerator, MemoryBlobs
from training.data.store import read_examples, write_examples
from training.data.values import RlExample
from training.grpo import GrpoRecipe, Scoring, SharedPromptTrainer, grpo, settings
from training.judge import ExactJudge, Scores
from training.recipe import read_recipe
from training.redraws import Redraws
from training.reinforce_recipe import GrpoRun
from training.rewards import RewardRecipe
from training.rl_log import RunLog, read_rows
from training.rl_plots import rl_curves
from training.rl_questions import dataset, order, question, said
from training.rollout import log_probabilities, sample

CODEC = CriticCodec(load_pack("compact"))
GOOD, BAD = Scores(semantics=10, quality=10, success=True), Scores(semantics=2.5, quality=10, success=False)
BETTER = Scores(semantics=10, quality=6.4, success=False)
EXAMPLES = (
    RlExample(lessons.PROMPT, lessons.PROMPT, lessons.BEFORE, lessons.WRONG, BAD, seed=1),
    RlExample(lessons.PROMPT, lessons.PROMPT, lessons.BEFORE, lessons.RIGHT, GOOD, seed=2),
    RlExample("a moon", "the moon again, please", None, lessons.WRONG, BAD, seed=3),
)


class FakeJudge:
    """Scores every picture alike, or what a list says; counts."""

    def __init__(self, *answers: Scores | Exception) -> None:
        self.answers, self.asked = list(answers), list[Critique]()

    async def score(self, critique: Critique) -> Scores:
        self.asked.append(critique)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class SlowGenerator(FakeGenerator):
    """Never finishes a job whose prompt says so, and fails one that says so."""

    async def draw(self, job):
        if "wait" in job.prompt:
            await asyncio.sleep(60)
        if "fail" in job.prompt:
            raise DrawFailed("out of paint")
        return await super().draw(job)


def test_redraws_go_through_the_ports_and_equal_ones_once():
    blobs, judge = MemoryBlobs(), FakeJudge(BETTER)
    generator = FakeGenerator(blobs)
    first, _, third = EXAMPLES
    with Redraws(generator, judge, blobs) as redraws:
        found = redraws.scores([(first, "a boat"), (first, "a boat"), (third, "a moon at a1"), (first, "a ship")])
        assert redraws.scores([]) == []
    assert found == [BETTER] * 4
    assert sorted(job.prompt for job in generator.drawn) == ["a boat", "a moon at a1", "a ship"]
    boat = next(job for job in generator.drawn if job.prompt == "a boat")
    assert boat.seed == 1 and len(boat.references) == 1  # the fixed seed, and the picture before
    assert asyncio.run(blobs.get(boat.references[0].digest)) == first.before
    asked = {critique.last_prompt: critique for critique in judge.asked}
    assert asked["a boat"].prompt == first.prompt  # judged against the step's original prompt
    assert asked["a moon at a1"].before is None and len(judge.asked) == 3


def test_a_redraw_that_fails_or_takes_too_long_is_counted_and_earns_no_number():
    blobs = MemoryBlobs()
    with Redraws(SlowGenerator(blobs), FakeJudge(BETTER), blobs, timeout=0.3) as redraws:
        asked = [(EXAMPLES[0], prompt) for prompt in ("please wait", "will fail", "will fail", "a boat")]
        assert redraws.scores(asked) == [None, None, None, BETTER]
        assert redraws.failures == {"timed out after 0.3 s": 1, "draw_failed: out of paint": 1}


def test_a_judge_that_breaks_does_not_break_the_run_unless_nothing_works():
    blobs = MemoryBlobs()
    with Redraws(FakeGenerator(blobs), FakeJudge(KeyError("score")), blobs) as redraws:
        assert redraws.scores([(EXAMPLES[0], "a boat")]) == redraws.scores([(EXAMPLES[0], "a ship")]) == [None]
        with pytest.raises(Unavailable, match=r"no redraw worked in 3 batches.*KeyError"):
            redraws.scores([(EXAMPLES[0], "a kite")])


@pytest.mark.slow
def test_the_small_worlds_generator_redraws_in_a_batch():
    from smallworld.paint import paint
    from smallworld.scene import Scene, Thing

    before = lessons_png(paint(Scene("snow", {"b4": Thing("red", "kite")})))
    example = RlExample("remove the red kite", "take it away", before, before, BAD, seed=5)
    blobs = MemoryBlobs()
    generator = BatchedGenerator(Path("checkpoints/smallworld/generator"), blobs)
    with Redraws(generator, ExactJudge(blobs), blobs) as redraws:
        right, wrong = redraws.scores([(example, "remove the red kite"), (example, "add a blue hat at a1")])
    assert right is not None and right.success
    assert wrong is not None and not wrong.success


def lessons_png(picture) -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


class Overheard:
    """A chat that notes what it is asked."""

    supports_prefix = False

    async def stream(self, messages, **_):
        self.messages = messages
        raise Unavailable("that is all")
        yield


@pytest.mark.parametrize("example", EXAMPLES)
async def test_what_is_asked_is_what_the_service_asks(example):
    blobs, chat = MemoryBlobs(), Overheard()
    refs = [
        None if p is None else await put_image(blobs, p, width=64, height=64) for p in (example.before, example.after)
    ]
    service = CriticService(chat, CODEC, blobs, CriticSettings())
    with pytest.raises(Unavailable):
        await service.judge(
            Critique(prompt=example.prompt, last_prompt=example.last_prompt, before=refs[0], after=refs[1])
        )
    assert question(CODEC, example) == chat.messages


def test_trls_own_path_sees_the_same_tokens():
    inputs = QwenInputs.load(lessons.taught())
    for example in EXAMPLES:
        asked = question(CODEC, example)
        shown = inputs.processor.apply_chat_template(
            [said(asked)], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
        served = inputs.encode(asked)
        assert torch.equal(shown["input_ids"], served["input_ids"])
        assert torch.equal(shown["pixel_values"], served["pixel_values"])


@pytest.fixture(scope="module")
def critic():
    directory = lessons.taught()
    return Qwen3VLForConditionalGeneration.from_pretrained(directory, dtype=torch.float32), QwenInputs.load(directory)


def test_reading_a_question_once_for_its_group_gives_the_same_numbers(critic):
    model, inputs = critic
    rows = [inputs.encode(question(CODEC, example)) for example in EXAMPLES]
    asked, answers = torch.tensor([2, 0, 1, 0]), torch.randint(20, 200, (4, 9), generator=torch.manual_seed(0))
    model.zero_grad()
    ours, entropy = log_probabilities(model, inputs, rows, asked, answers)
    ours.sum().backward()
    gradient = model.model.visual.patch_embed.proj.weight.grad.clone()

    model.zero_grad()
    batch = inputs.batch([rows[at] for at in asked], side="left")
    width, zeros = batch["input_ids"].shape[1], torch.zeros_like(answers)
    batch["input_ids"] = torch.cat([batch["input_ids"], answers], 1)
    batch["attention_mask"] = torch.cat([batch["attention_mask"], zeros + 1], 1)
    batch["mm_token_type_ids"] = torch.cat([batch["mm_token_type_ids"], zeros], 1)
    chances = torch.log_softmax(model(**batch).logits[:, width - 1 : -1], -1)
    stock = chances.gather(2, answers[..., None])[..., 0]
    stock.sum().backward()
    assert torch.allclose(ours, stock, atol=1e-4)
    assert torch.allclose(entropy, -(chances.exp() * chances).sum(-1), atol=1e-4)
    assert torch.allclose(gradient, model.model.visual.patch_embed.proj.weight.grad, atol=1e-4)


def test_greedy_answers_are_those_of_generate(critic):
    model, inputs = critic
    rows = [inputs.encode(question(CODEC, example)) for example in EXAMPLES]
    end = inputs.tokenizer.eos_token_id
    ours = sample(model, inputs, rows, torch.arange(3), max_tokens=60, temperature=0, ends=[end])
    for row, answer in zip(rows, ours, strict=True):
        stock = model.generate(**row, max_new_tokens=60, do_sample=False)[0, row["input_ids"].shape[1] :].tolist()
        assert answer == stock
    assert CODEC.read(inputs.tokenizer.decode(ours[0], skip_special_tokens=True)) == lessons.REVISE


RECIPE = GrpoRecipe(
    steps=4, prompts_per_step=2, group=4, answers_per_pass=8, max_tokens=60, save_every=2, held_out_every=2, kl=0.0
)


def trainer_of(out: Path, recipe: GrpoRecipe, redraws: Redraws) -> SharedPromptTrainer:
    directory = lessons.taught()
    scoring = Scoring(EXAMPLES, CODEC, redraws, recipe.reward, RunLog(out, recipe))
    trainer = SharedPromptTrainer(
        model=Qwen3VLForConditionalGeneration.from_pretrained(directory, dtype=torch.float32),
        reward_funcs=[scoring],
        args=settings(recipe, out),
        train_dataset=dataset(EXAMPLES, CODEC, order(len(EXAMPLES), recipe), pictures=False),
        processing_class=QwenInputs.load(directory).processor,
    )
    trainer.scoring, trainer.inputs = scoring, QwenInputs(trainer.processing_class)
    return trainer


@pytest.mark.slow
@pytest.mark.parametrize(("kl", "scale"), [(0.0, "group"), (0.5, "group"), (0.0, "batch")])
def test_a_dropped_sample_is_in_no_mean_no_deviation_and_no_loss(tmp_path, kl, scale):
    """Two groups of four; in the first one sample is dropped. Before the first update every ratio is 1 and the KL 0."""
    answers = {0: [1.0, 0.0, None, 0.5], 1: [0.2, 0.2, 0.2, 0.6]}
    blobs = MemoryBlobs()
    with Redraws(FakeGenerator(blobs), FakeJudge(BETTER), blobs) as redraws:
        trainer = trainer_of(tmp_path, replace(RECIPE, kl=kl, temperature=1.5, scale=scale), redraws)

        class Given(Scoring):
            def __call__(self, completions, number, **_):
                left = {at: list(rewards) for at, rewards in answers.items()}
                rewards = [left[at].pop(0) for at in number]
                self.dropped = [one is None for one in rewards]
                return rewards

        trainer.scoring.__class__ = Given
        trainer.model.train()
        made = trainer._generate_and_score_completions(
            [{"prompt": "", "number": at} for at in (0, 0, 0, 0, 1, 1, 1, 1)]
        )

    # group 0: mean of 1, 0, 0.5 is 0.5, their deviation 0.5; group 1: mean 0.3, deviation sqrt(0.12 / 3) = 0.2
    expected = torch.tensor([1.0, -1.0, 0.0, 0.0, -0.5, -0.5, -0.5, 1.5])
    if scale == "batch":  # the deviation of the seven rewards: sqrt(0.6886 / 6)
        expected = torch.tensor([0.5, -0.5, 0.0, 0.0, -0.1, -0.1, -0.1, 0.3]) / 0.33877
    assert torch.allclose(made["advantages"], expected, atol=2e-3)
    assert made["completion_mask"][2].sum() == 0 and (made["completion_mask"].sum(1) > 0).tolist().count(False) == 1
    lengths = made["completion_mask"].sum(1)
    assert made["num_items_in_batch"] == lengths.sum()
    # token mean: every token of a kept answer weighs the same
    by_hand = -(expected * lengths).sum() / lengths.sum()
    trainer.current_gradient_accumulation_steps = 1
    loss = trainer._compute_loss(trainer.model, made)
    assert loss.item() == pytest.approx(by_hand.item(), abs=2e-3)
    loss.backward()
    assert trainer.model.model.visual.patch_embed.proj.weight.grad.abs().sum() > 0  # the vision tower learns


@pytest.mark.slow
def test_stopping_and_going_on_gives_the_same_curve(tmp_path):
    def run(out: Path, steps: int) -> None:
        blobs = MemoryBlobs()
        recipe = replace(RECIPE, steps=steps, kl=1e-3, learning_rate=1e-3, samples_every=2, answers_per_pass=4)
        grpo(lessons.taught(), EXAMPLES, recipe, FakeGenerator(blobs), FakeJudge(BETTER), blobs, out, EXAMPLES)

    run(tmp_path / "whole", 4)
    run(tmp_path / "halves", 2)
    (tmp_path / "halves" / "checkpoint-3").mkdir()  # killed while it was being written
    run(tmp_path / "halves", 4)
    for name in ("log", "rewards", "samples", "held_out"):
        whole, halves = (
            [
                {key: value for key, value in row.items() if key not in ("of", "seconds", "epoch", "peak_gb")}
                for row in read_rows(tmp_path / run / f"{name}.jsonl")
            ]
            for run in ("whole", "halves")
        )
        assert whole == halves, name
    rows = read_rows(tmp_path / "whole" / "log.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert {"reward", "step_reward", "malformed", "dropped", "length", "kl", "grad_norm", "seconds"} <= set(rows[-1])
    assert any(row["loss"] for row in rows)
    told = read_rows(tmp_path / "whole" / "samples.jsonl")[0]
    assert {"prompt", "answer", "reward", "truth"} <= set(told)
    assert [row["step"] for row in read_rows(tmp_path / "whole" / "held_out.jsonl")] == [0, 2, 4]
    rl_curves(tmp_path / "whole", tmp_path / "training.png")
    assert (tmp_path / "training.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(BadRequest, match="no log"):
        rl_curves(tmp_path, tmp_path / "training.png")


@pytest.mark.slow
def test_trls_own_path_trains_too(tmp_path):
    blobs = MemoryBlobs()
    recipe = replace(RECIPE, steps=1, shared_prompts=False, held_out=0, answers_per_pass=4, kl=1e-3)
    grpo(lessons.taught(), EXAMPLES, recipe, FakeGenerator(blobs), FakeJudge(BETTER), blobs, tmp_path)
    (row,) = read_rows(tmp_path / "log.jsonl")
    assert row["malformed"] < 1 and row["dropped"] == 0


def test_examples_that_teach_nothing_stop_a_run_before_it_starts(tmp_path):
    def refused(examples, recipe=RECIPE) -> str:
        with pytest.raises(BadRequest) as error:
            grpo(tmp_path, examples, recipe, None, None, None, tmp_path)
        assert "\n" not in error.value.detail
        return error.value.detail

    assert "1 examples are too few" in refused(EXAMPLES[:1])
    assert "nothing to redraw" in refused([EXAMPLES[1]] * 4)
    assert "example 1, picture after" in refused([EXAMPLES[0], replace(EXAMPLES[0], after=b"junk")])


def test_every_example_comes_once_before_any_comes_again():
    numbers = order(5, replace(RECIPE, steps=5))
    assert len(numbers) == 10 and sorted(numbers[:5]) == sorted(numbers[5:]) == list(range(5))
    assert order(5, replace(RECIPE, steps=2)) == numbers[:4]  # a longer run begins like a shorter one


def test_the_small_worlds_recipe_is_read_and_checked():
    recipe = read_recipe(Path("training/recipes/critic_rl.cpu.toml"), GrpoRun, ["grpo.steps=7"]).numbers()
    assert recipe.steps == 7 and recipe.reward == RewardRecipe() and (recipe.clip_low, recipe.clip_high) == (0.2, 0.3)
    for table, complaint in (
        ({"stepz": 3}, "stepz is not in the recipe"),
        ({"reward": {"speed": 1.0}}, "reward.speed is not in the recipe"),
        ({"group": "8"}, "write a number"),
        ({"group": 1}, "at least 2"),
        ({"answers_per_pass": 48}, "make answers_per_pass 64"),
        ({"vllm": True}, "shared_prompts = false"),
        ({"scale": "world"}, '"group", "batch" or "none"'),
    ):
        with pytest.raises(BadSettings, match=complaint):
            GrpoRecipe.of(table)


def test_rows_written_are_the_examples_read(tmp_path):
    write_examples(tmp_path / "rl.parquet", EXAMPLES, "rl")
    assert tuple(read_examples(tmp_path / "rl.parquet", "rl")) == EXAMPLES
    (tmp_path / "log.jsonl").write_text(json.dumps({"step": 1}) + '\n{"st')
    assert read_rows(tmp_path / "log.jsonl") == [{"step": 1}]
