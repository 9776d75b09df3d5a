"""GRPO of the critic on recorded attempts (paper.md section 4): single-step RL that stands in for the trajectory.

    for each step:
        take some recorded attempts (drawing, prompts, scores); ask the critic about each one, `group` times, at T = 1
        redraw every wrong drawing with each refined prompt, fixed seed, and score it       training.redraws
        reward = format, accuracy and what the redraw gained                                training.rewards
        advantage = (reward - mean of its group) / standard deviation, of its group or of the step's batch; dropped
            samples are in neither
        one AdamW step on the clipped policy ratio (0.2 down, 0.3 up), mean over all tokens, with a KL to the start

TRL's `GRPOTrainer` on accelerate does the last two lines. What is asked comes from the codec only, so that it is what
is served. What a run writes down is `training.rl_log`'s; which numbers it runs with, `training.grpo_recipe`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, Qwen3VLForConditionalGeneration
from transformers.utils import logging
from trl import GRPOConfig, GRPOTrainer

from interleavethinker.chat.qwen import QwenInputs, Row, StillsProcessor
from interleavethinker.codec import CriticCodec, load_pack
from interleavethinker.ports import Blobs, Generator
from training.data.values import RlExample
from training.grpo_recipe import GrpoRecipe
from training.judge import Judge
from training.metrics import shown
from training.preflight import main_process
from training.redraws import Redraws
from training.rewards import Judged, Reward, RewardRecipe, read_verdict, redraw_prompt, reward
from training.rl_log import HeldOut, RunLog
from training.rl_questions import check, dataset, order, question
from training.rollout import log_probabilities, sample

__all__ = ["GrpoRecipe", "grpo", "question"]


class Scoring:
    """TRL's reward function: a number for each answer, None for one that is dropped."""

    __name__ = "reward"

    def __init__(
        self, examples: Sequence[RlExample], codec: CriticCodec, redraws: Redraws, recipe: RewardRecipe, log: RunLog
    ) -> None:
        self.examples, self.codec, self.redraws, self.recipe, self.log = examples, codec, redraws, recipe, log
        self.dropped: list[bool] = []

    def judged(self, numbers: Sequence[int], answers: Sequence[str]) -> list[Judged]:
        """The answers, read, with their redraws; all redraws of a batch run side by side."""
        verdicts = [read_verdict(self.codec, answer) for answer in answers]
        examples = [self.examples[number] for number in numbers]
        prompts = [redraw_prompt(v, e.scores.success) for v, e in zip(verdicts, examples, strict=True)]
        due = [(example, prompt) for example, prompt in zip(examples, prompts, strict=True) if prompt is not None]
        new = iter(self.redraws.scores(due))
        found = [None if prompt is None else next(new) for prompt in prompts]
        return [
            Judged(verdict, example.scores, scores, dropped=prompt is not None and scores is None)
            for verdict, example, scores, prompt in zip(verdicts, examples, found, prompts, strict=True)
        ]

    def __call__(
        self, completions: Sequence[Any], completion_ids: Sequence[Sequence[int]], number: Sequence[int], **told: Any
    ) -> list[float | None]:
        answers = [text if isinstance(text, str) else text[0]["content"] for text in completions]
        judged = self.judged(number, answers)
        self.dropped = [one.dropped for one in judged]
        if any(self.dropped):
            print(f"[grpo] {sum(self.dropped)} dropped; by reason, so far: {dict(self.redraws.failures)}", flush=True)
        rewards: list[Reward | None] = [None if one.dropped else reward(one, self.recipe) for one in judged]
        examples = [self.examples[n] for n in number]
        lengths = [len(tokens) for tokens in completion_ids]
        self.log.rollouts(examples, answers, judged, rewards, lengths, told["trainer_state"], told["log_metric"])
        return [None if one is None else one.total for one in rewards]


class CriticTrainer(GRPOTrainer):
    """TRL's trainer, with what it lacks: a dropped sample is in no mean, no deviation and no loss."""

    scoring: Scoring
    inputs: QwenInputs

    def _send_telemetry(self) -> None:
        """A run tells nobody that it began."""

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.asked = torch.tensor([row["number"] for row in inputs])
        made: dict[str, Any] = super()._generate_and_score_completions(inputs)
        # TRL leaves a None reward out of its group's mean and deviation and gives it no advantage; but its tokens
        # would still count in the token mean and in the KL.
        kept = torch.tensor([not dropped for dropped in self.scoring.dropped], device=made["completion_mask"].device)
        made["completion_mask"] = made["completion_mask"] * kept[:, None]
        made["num_items_in_batch"] = self.accelerator.gather(made["completion_mask"].sum()).sum()
        return made | {"number": self.asked.to(kept.device)}


class SharedPromptTrainer(CriticTrainer):
    """The same on one process, each question being read once for its whole group (`training.rollout`)."""

    def _rows(self) -> tuple[list[Row], Tensor]:
        """The distinct questions in `asked`, encoded, and for each answer which one it belongs to."""
        numbers, questions = torch.unique(self.asked.cpu(), return_inverse=True)
        return [self._row(number) for number in numbers.tolist()], questions

    @lru_cache(maxsize=64)  # noqa: B019 - one trainer a process, and few rows
    def _row(self, number: int) -> Row:
        return self.inputs.encode(question(self.scoring.codec, self.scoring.examples[number]))

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        rows, questions = self._rows()
        return [rows[at]["input_ids"][0].tolist() for at in questions.tolist()], None, {}

    def _generate_single_turn(self, *_: Any, **__: Any) -> tuple[list[list[int]], None]:
        rows, questions = self._rows()
        model = self.accelerator.unwrap_model(self.model)
        most, ends = self.max_completion_length, self.eos_token_ids
        answers = sample(model, self.inputs, rows, questions, max_tokens=most, temperature=self.temperature, ends=ends)
        return answers, None

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor, None]:
        rows, questions = self._rows()
        answers, net = input_ids[:, -logits_to_keep:], self.accelerator.unwrap_model(model)
        return *log_probabilities(net, self.inputs, rows, questions, answers, temperature=self.temperature), None

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        self.asked = inputs["number"]
        loss: Tensor = super()._compute_loss(model, inputs)
        return loss


def grpo(
    model_dir: Path,
    examples: Sequence[RlExample],
    recipe: GrpoRecipe,
    generator: Generator,
    judge: Judge,
    blobs: Blobs,
    out: Path,
    held_out: Sequence[RlExample] = (),
) -> Qwen3VLForConditionalGeneration:
    """Reinforce the critic in `model_dir`; the trained model, in memory. Resumes from the newest checkpoint in `out`.

    Writes there: checkpoint-*, log.jsonl (a row a step), rewards.jsonl (every answer's parts), samples.jsonl (answers
    to read) and held_out.jsonl. Raises BadRequest for examples that cannot be learned from, Unavailable when no redraw
    works.
    """
    check(examples, recipe)
    torch.set_num_threads(recipe.threads)
    logging.disable_progress_bar()
    out.mkdir(parents=True, exist_ok=True)
    args = settings(recipe, out)
    codec, inputs = CriticCodec(load_pack(recipe.pack)), QwenInputs(StillsProcessor.load(model_dir))
    model = Qwen3VLForConditionalGeneration.from_pretrained(model_dir, dtype=getattr(torch, recipe.dtype))
    model.model.visual.requires_grad_(recipe.vision)
    log = RunLog(out, recipe)
    learned = recipe.prompts_per_step * recipe.group
    watched = shown("grpo", out.parent, learned, first=main_process())
    with Redraws(generator, judge, blobs, timeout=recipe.redraw_timeout) as redraws:
        scoring = Scoring(examples, codec, redraws, recipe.reward, log)
        kind = SharedPromptTrainer if recipe.shared_prompts else CriticTrainer
        trainer = kind(
            model=model,
            reward_funcs=[scoring],
            args=args,
            train_dataset=dataset(examples, codec, order(len(examples), recipe), pictures=not recipe.shared_prompts),
            processing_class=inputs.processor,
            callbacks=[log, *watched],
        )
        trainer.scoring, trainer.inputs = scoring, inputs
        trainer.remove_callback(PrinterCallback)  # the log prints its own line
        if held_out and recipe.held_out and recipe.held_out_every:
            chosen = held_out[: recipe.held_out]
            asked = Scoring(chosen, codec, redraws, recipe.reward, log)
            trainer.add_callback(HeldOut(trainer, asked, [question(codec, example) for example in chosen], recipe))
        trainer.train(resume_from_checkpoint=newest_checkpoint(out))
    trained: Qwen3VLForConditionalGeneration = trainer.accelerator.unwrap_model(trainer.model)
    return trained


def newest_checkpoint(out: Path) -> str | None:
    """The newest checkpoint that was written to its end: the trainer's state comes last."""
    whole = [path.parent for path in out.glob("checkpoint-*/trainer_state.json")]
    return str(max(whole, key=lambda path: int(path.name.removeprefix("checkpoint-")))) if whole else None


def settings(recipe: GrpoRecipe, out: Path) -> GRPOConfig:
    """The recipe in TRL's words."""
    return GRPOConfig(
        output_dir=str(out),
        seed=recipe.seed,
        max_steps=recipe.steps,
        per_device_train_batch_size=recipe.answers_per_pass,
        gradient_accumulation_steps=recipe.accumulation,
        num_generations=recipe.group,
        max_completion_length=recipe.max_tokens,
        temperature=recipe.temperature,
        top_p=recipe.top_p,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.schedule,
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        epsilon=recipe.clip_low,
        epsilon_high=recipe.clip_high,
        beta=recipe.kl,
        loss_type=recipe.loss,
        scale_rewards=recipe.scale,
        logging_steps=recipe.log_every,
        save_steps=recipe.save_every,
        save_total_limit=recipe.keep_checkpoints,
        report_to=recipe.report_to,
        bf16=recipe.bf16,
        gradient_checkpointing=recipe.gradient_checkpointing,
        use_vllm=recipe.vllm,
        vllm_mode="server",
        vllm_server_host=recipe.vllm_host,
        vllm_server_port=recipe.vllm_port,
        vllm_group_port=recipe.vllm_group_port,
        use_cpu=not torch.cuda.is_available(),
        shuffle_dataset=False,
        remove_unused_columns=False,
        disable_tqdm=True,
    )
