"""The small world's courses: supervised fine-tuning of planner and critic with TRL on lessons that never end, from the
codec's messages and targets only.

A lesson is a function of its number, so the data set is just numbers: nothing is stored, a run can be resumed
anywhere, and the collator is the one place where a lesson becomes tensors. Data sets on disk, and models of other
sizes, are `training.finetune`'s.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.nn import functional as F
from transformers import Qwen3VLForConditionalGeneration
from trl import SFTConfig, SFTTrainer

from interleavethinker.chat.qwen import IGNORED, Row
from interleavethinker.codec import CriticCodec, PlannerCodec
from training.inputs import LessonInputs
from training.lessons import CriticLesson, PlannerLesson

Lesson = PlannerLesson | CriticLesson


@dataclass(frozen=True)
class SftRecipe:
    """Samples, not minutes, so that a run can be repeated. Learning rate: warm-up, constant, then a linear fall to
    5%."""

    seed: int = 0
    threads: int = 1
    samples: int = 100_000
    batch: int = 16
    learning_rate: float = 1.5e-3
    decay_share: float = 0.35
    vision: bool = False
    """Whether the vision tower learns too; the paper's SFT keeps it as it is (section 4)."""


@dataclass
class Teacher:
    """Turns lessons into the very tokens that serving uses."""

    inputs: LessonInputs
    planner: PlannerCodec
    critic: CriticCodec

    def row(self, lesson: Lesson) -> Row:
        """Tensors of one lesson with its labels; only the answer is learned."""
        if isinstance(lesson, PlannerLesson):
            messages = self.planner.messages(lesson.brief, lesson.pictures)
            return self.inputs.example(messages, self.planner.write(lesson.plan))
        messages = self.critic.messages(lesson.prompt, lesson.last_prompt, lesson.before, lesson.after)
        return self.inputs.example(messages, self.critic.write(lesson.verdict, lesson.last_prompt))


DECISIVE = {"True": 4.0, "False": 4.0, " but": 2.0}
"""Tokens that decide a critique count for more than the many that only look something up."""


class AnswerTrainer(SFTTrainer):
    """TRL's trainer with the loss computed on the answers' tokens alone, decisive ones weighted: half the work on a
    CPU. For one process and one batch a step; `training.finetune` is for more."""

    token_weights: torch.Tensor

    def compute_loss(
        self, model: Any, inputs: Row, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        labels = inputs.pop("labels")[:, 1:]
        hidden = model.model(**inputs, use_cache=False).last_hidden_state[:, :-1]
        learned = labels != IGNORED
        wanted = labels[learned]
        logits = model.lm_head(hidden[learned])
        weights = self.token_weights.to(logits.device)[wanted]
        loss = (F.cross_entropy(logits, wanted, reduction="none") * weights).sum() / weights.sum()
        with torch.no_grad():
            right = (logits.argmax(-1) == wanted).float()
            decisive = weights > 1
            self._metrics["train"]["token_accuracy"].append(right.mean().item())
            if decisive.any():
                self._metrics["train"]["decisive_accuracy"].append(right[decisive].mean().item())
        return loss


def token_weights(tokenizer: Any) -> torch.Tensor:
    """Weight of each token of the vocabulary in the loss."""
    weights = torch.ones(len(tokenizer))
    for text, weight in DECISIVE.items():
        (token,) = tokenizer(text, add_special_tokens=False)["input_ids"]
        weights[token] = weight
    return weights


def sft(
    model: Qwen3VLForConditionalGeneration,
    teacher: Teacher,
    lesson: Callable[[int], Lesson],
    recipe: SftRecipe,
    out: Path,
) -> Qwen3VLForConditionalGeneration:
    """Train on lessons 0 .. samples - 1, resuming from the newest checkpoint under `out` if there is one."""
    torch.set_num_threads(recipe.threads)
    steps = recipe.samples // recipe.batch

    def collate(examples: Sequence[dict[str, Any]]) -> Row:
        return teacher.inputs.batch([teacher.row(lesson(example["number"])) for example in examples])

    model.model.visual.requires_grad_(recipe.vision)
    trainer = AnswerTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(out),
            max_steps=steps,
            per_device_train_batch_size=recipe.batch,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="warmup_stable_decay",
            warmup_steps=min(200, steps // 10),
            lr_scheduler_kwargs={
                "num_decay_steps": int(steps * recipe.decay_share),
                "min_lr_ratio": 0.05,
                "decay_type": "linear",
            },
            adam_beta2=0.98,
            weight_decay=0.01,
            max_grad_norm=1.0,
            logging_steps=25,
            save_steps=250,
            save_total_limit=1,
            bf16=False,
            use_cpu=not torch.cuda.is_available(),
            report_to="none",
            seed=recipe.seed,
            max_length=None,
            gradient_checkpointing=False,
            remove_unused_columns=False,
            dataset_kwargs={"skip_prepare_dataset": True},
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict({"number": list(range(recipe.samples))}),
        data_collator=collate,
        processing_class=teacher.inputs.processor,
    )
    trainer.token_weights = token_weights(teacher.inputs.tokenizer)
    trainer.train(resume_from_checkpoint=any(out.glob("checkpoint-*")) or None)
    return trainer.model


def numbered(make: Callable[[random.Random], Lesson], seed: int) -> Callable[[int], Lesson]:
    """Lessons by number: each from its own random stream."""
    return lambda number: make(random.Random(f"{seed} {number}"))
