"""Supervised fine-tuning of planner and critic from data on disk: the same code for the small world's models on a CPU
and Qwen3-VL-8B on many GPUs.

TRL trains, accelerate spreads (training/accelerate/), the codec says what is learned (`training.examples`). A run can
be stopped at any moment and started again: it goes on from its newest whole checkpoint with the same curve. It leaves
`model/` (weights and processor files, ready to be served), `loss.png`, `log.jsonl`, `recipe.json` and, under `run/`,
its checkpoints. GRPO is not here (`training.grpo`).
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PrinterCallback, Qwen3VLForConditionalGeneration
from trl import SFTConfig, SFTTrainer

from interleavethinker.chat.qwen import IGNORED, Row
from training.estimate import Sharding, adapted, estimate, freeze
from training.examples import Collator, places
from training.metrics import shown
from training.plots import curve
from training.preflight import FACTS, RECIPE, Checked, as_json, devices, main_process, preflight
from training.recipe import SftRecipe
from training.result import finish, merge, newest_checkpoint
from training.tracking import LOG, Telling, stages


class FineTuner(SFTTrainer):
    """TRL's trainer, whose step is the mean over all learned tokens of the whole batch, however that is cut into
    micro-batches and devices; and which can weigh tokens: a verdict counts for more than what it looks up."""

    loss_is_scaled_for_ga = True
    token_weights: torch.Tensor | None = None

    def _send_telemetry(self) -> None:
        """A run tells nobody that it began."""

    def _get_num_items_in_batch(self, batch_samples: list[Row], device: torch.device) -> Any:
        if not batch_samples:
            return None
        total = torch.stack([self._weights(batch["labels"]).sum() for batch in batch_samples]).sum().to(device)
        return self.accelerator.gather(total).sum() if self.args.world_size > 1 else total

    def compute_loss(
        self, model: nn.Module, inputs: Row, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        weights = self._weights(inputs["labels"]).to(outputs.log_probs.device)
        total = weights.sum() if num_items_in_batch is None else num_items_in_batch
        loss = -(outputs.log_probs * weights).sum() / torch.as_tensor(total).clamp(min=1e-6)
        if num_items_in_batch is not None:  # counted over all processes, over which gradients will be averaged
            loss = loss * self.accelerator.num_processes
        mode = "train" if self.model.training else "eval"
        counts = torch.stack([outputs.is_top1.sum(), outputs.label_mask.sum()])[None]
        right, learned = self.accelerator.gather_for_metrics(counts).sum(0).tolist()
        self._metrics[mode]["token_accuracy"].append(right / max(learned, 1))
        return (loss, outputs) if return_outputs else loss

    def _weights(self, labels: torch.Tensor) -> torch.Tensor:
        """(batch, tokens) labels -> (batch, tokens - 1) weights of what is predicted, 0 where nothing is learned."""
        wanted = labels[:, 1:]
        learned = (wanted != IGNORED).float()
        if self.token_weights is None:
            return learned
        return learned * self.token_weights.to(labels.device)[wanted.clamp(min=0)]


def finetune(recipe: SftRecipe, out: Path) -> Path:
    """Train, or go on where the run under `out` stopped; the directory of the finished model.

    Raises BadSettings, BadCheckpoint, BadRequest or Conflict before anything is loaded, in one line that says what to
    change.
    """
    checked = preflight(recipe, out, devices())
    torch.set_num_threads(recipe.threads or torch.get_num_threads())
    run, model_directory = out / "run", out / "model"
    if (model_directory / "config.json").exists():
        return model_directory
    out.mkdir(parents=True, exist_ok=True)
    args = arguments(recipe, checked, run)  # before the model is loaded: DeepSpeed spreads weights while they load
    main = main_process()
    if main:
        for file, said in ((RECIPE, as_json(recipe)), (FACTS, checked.facts)):
            (out / file).write_text(json.dumps(said, indent=2) + "\n")
        print(estimate(checked.config, recipe, devices(), sharding(args), half=checked.half), flush=True)
    model = load(checked, recipe, args)
    trainer = trainer_of(model, recipe, checked, args, out)
    if (newest := newest_checkpoint(run)) and main:
        print(f"[{recipe.role}] going on from {newest}", flush=True)
    trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    if checked.held_out:
        trainer.evaluate()
    keep(trainer, recipe, checked, model_directory)
    if main:
        curve(stages(trainer.state.log_history), out / "loss.png", title=f"{recipe.role}: {recipe.base}")
    return model_directory


def arguments(recipe: SftRecipe, checked: Checked, run: Path) -> SFTConfig:
    """The recipe in TRL's words."""
    steps = recipe.steps(len(checked.examples))
    falling = {"num_decay_steps": max(1, int(steps * recipe.decay)), "min_lr_ratio": 0.05, "decay_type": "linear"}
    return SFTConfig(
        output_dir=str(run),
        max_steps=steps,
        per_device_train_batch_size=recipe.per_device_batch,
        per_device_eval_batch_size=recipe.per_device_batch,
        gradient_accumulation_steps=recipe.accumulation(devices()),
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="constant_with_warmup" if recipe.schedule == "constant" else recipe.schedule,
        lr_scheduler_kwargs=falling if recipe.schedule == "warmup_stable_decay" else {},
        warmup_steps=int(steps * recipe.warmup),
        weight_decay=recipe.weight_decay,
        adam_beta2=recipe.adam_beta2,
        max_grad_norm=recipe.max_grad_norm,
        logging_steps=recipe.log_every,
        save_steps=recipe.save_every,
        save_total_limit=recipe.keep,
        eval_strategy="steps" if checked.held_out and recipe.eval_every else "no",
        eval_steps=recipe.eval_every,
        prediction_loss_only=True,
        bf16=checked.half,
        use_cpu=not torch.cuda.is_available(),
        activation_checkpointing=recipe.gradient_checkpointing,
        dataloader_num_workers=recipe.workers,
        report_to=recipe.report_to,
        run_name=run.parent.name,
        project="interleavethinker",
        seed=recipe.seed,
        max_length=None,  # too long examples are left out by the collator
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        disable_tqdm=True,
    )


def sharding(args: SFTConfig) -> Sharding:
    """How accelerate was told to spread the weights."""
    if args.deepspeed_plugin is not None:
        return "zero3"
    return "fsdp2" if args.fsdp_plugin_args is not None or fsdp_by_launcher() else "none"


def fsdp_by_launcher() -> bool:
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true")


def load(checked: Checked, recipe: SftRecipe, args: SFTConfig) -> Qwen3VLForConditionalGeneration | nn.Module:
    """The base model with what is frozen frozen.

    Learned weights are kept in float32, since steps of 2e-5 are lost in bf16; DeepSpeed keeps its own float32 copy,
    and a base under adapters is not learned.
    """
    narrow = checked.half and (recipe.lora is not None or args.deepspeed_plugin is not None)
    model = Qwen3VLForConditionalGeneration.from_pretrained(
        checked.base,
        dtype=torch.bfloat16 if narrow else torch.float32,
        attn_implementation=recipe.attention,
    )
    freeze(model, recipe.freeze)
    return adapted(model, recipe.lora) if recipe.lora else model


def trainer_of(model: nn.Module, recipe: SftRecipe, checked: Checked, args: SFTConfig, out: Path) -> FineTuner:
    """The trainer over the recipe's data, which says itself in `out`."""
    examples, held_out = checked.examples, checked.held_out
    trainer = FineTuner(
        model=model,
        args=args,
        train_dataset=places(0, len(examples)),
        eval_dataset=places(1, min(len(held_out), recipe.held_out_limit)) if held_out else None,
        data_collator=Collator(
            (examples, held_out) if held_out else (examples,),
            checked.rows,
            recipe.max_tokens,
            always_pictures=devices() > 1,
        ),
        processing_class=checked.rows.inputs.processor,
        callbacks=[Telling(out / LOG, recipe.role), *shown("sft", out, recipe.batch, first=main_process())],
    )
    trainer.remove_callback(PrinterCallback)
    if recipe.token_weights:
        tokenizer = checked.rows.inputs.tokenizer
        trainer.token_weights = torch.ones(max(len(tokenizer), checked.config.text_config.vocab_size))
        for text, weight in recipe.token_weights.items():
            trainer.token_weights[checked.rows.inputs.tokens(text)] = weight
    return trainer


def keep(trainer: FineTuner, recipe: SftRecipe, checked: Checked, directory: Path) -> None:
    """Write the finished model. Every process takes part, since each may hold a piece of the weights; one writes."""
    temporary, adapter = directory.with_name(directory.name + ".new"), directory.with_name("adapter")
    if trainer.is_world_process_zero():
        shutil.rmtree(temporary, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    trainer.save_model(str(adapter if recipe.lora else temporary))
    if trainer.is_world_process_zero():
        if recipe.lora:
            merge(checked.base, adapter, temporary)
        finish(temporary, directory, checked.base, checked.config.dtype)
    trainer.accelerator.wait_for_everyone()
