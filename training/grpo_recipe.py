"""GRPO's recipe: every number of a run, checked before anything is loaded. `training.reinforce_recipe` reads it from a
file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from typing import Any, Literal

from transformers.trainer_utils import SchedulerType

from interleavethinker.errors import BadSettings
from training.rewards import RewardRecipe


@dataclass(frozen=True)
class GrpoRecipe:
    """Defaults are the paper's method (section 4) at the small world's size.

    A step draws `group` answers to each of `prompts_per_step` questions, over all processes, and learns once from them.
    """

    seed: int = 0
    threads: int = 1
    steps: int = 300
    prompts_per_step: int = 8
    group: int = 8
    answers_per_pass: int = 64
    """Answers that one device takes through the model at once (TRL's per-device batch); the rest is accumulated."""
    learning_rate: float = 1e-4
    schedule: str = "constant"
    warmup_steps: int = 0
    weight_decay: float = 1e-2
    clip_low: float = 0.2
    clip_high: float = 0.3
    kl: float = 1e-3
    max_grad_norm: float = 1.0
    loss: str = "dapo"
    """TRL's name of the mean over all tokens of the step, whichever answers they belong to."""
    scale: str = "group"
    """Advantages are divided by the deviation of the rewards in the answer's group (as in GRPO), in the whole "batch",
    or by nothing ("none")."""
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 160
    pack: str = "compact"
    vision: bool = True
    """Whether the vision tower learns too."""
    reward: RewardRecipe = field(default_factory=RewardRecipe)
    redraw_timeout: float = 120.0
    """Seconds after which a redraw counts as failed; its sample is dropped."""
    save_every: int = 50
    keep_checkpoints: int = 2
    log_every: int = 1
    samples_every: int = 10
    held_out_every: int = 25
    held_out: int = 128
    """How many held-out questions are answered, greedily, at each check; 0 checks none."""
    report_to: Literal["none", "tensorboard", "trackio"] = "none"
    shared_prompts: bool = True
    """Read each question once for its whole group: several times faster where pictures are small, one process only."""
    dtype: str = "float32"
    """The type that weights are loaded and kept in."""
    bf16: bool = False
    gradient_checkpointing: bool = False
    vllm: bool = False
    """Sample answers from a `trl vllm-serve` server; `shared_prompts` must be false."""
    vllm_host: str = "127.0.0.1"
    vllm_port: int = 8000
    vllm_group_port: int = 51216

    def __post_init__(self) -> None:
        answers = self.prompts_per_step * self.group
        if self.group < 2:
            raise BadSettings(f"group is {self.group}: write at least 2, answers are compared within their group")
        if self.steps < 1 or self.prompts_per_step < 1 or self.answers_per_pass < 1:
            raise BadSettings("steps, prompts_per_step and answers_per_pass must be at least 1")
        if answers % (self.answers_per_pass * processes()):
            raise BadSettings(
                f"prompts_per_step * group is {answers}, no multiple of answers_per_pass ({self.answers_per_pass}) "
                f"on each of {processes()} processes: make answers_per_pass {answers // processes()} or a divisor of it"
            )
        if self.shared_prompts and (self.vllm or processes() > 1 or self.gradient_checkpointing):
            raise BadSettings(
                "shared_prompts needs one process, no vLLM and no gradient checkpointing: write shared_prompts = false"
            )
        if self.report_to not in ("none", "tensorboard", "trackio"):
            raise BadSettings(f'report_to is {self.report_to!r}: write "none", "tensorboard" or "trackio"')
        if self.report_to != "none" and find_spec(self.report_to) is None:
            raise BadSettings(
                f'report_to is {self.report_to!r}, which is not installed: `uv pip install` it, or "none"'
            )
        if self.schedule not in set(SchedulerType):
            raise BadSettings(f"schedule is {self.schedule!r}: write one of {', '.join(SchedulerType)}")
        if self.loss not in ("dapo", "bnpo", "grpo", "dr_grpo"):
            raise BadSettings(
                f'loss is {self.loss!r}: write "dapo" (mean over all tokens), "bnpo", "grpo" or "dr_grpo"'
            )
        if self.scale not in ("group", "batch", "none"):
            raise BadSettings(f'scale is {self.scale!r}: write "group", "batch" or "none"')

    @property
    def accumulation(self) -> int:
        """Passes of `answers_per_pass` answers on each device to one step."""
        return self.prompts_per_step * self.group // (self.answers_per_pass * processes())

    @classmethod
    def of(cls, table: dict[str, Any]) -> GrpoRecipe:
        """From a recipe's table, with a table `reward` in it. Raises BadSettings for a name that is not known."""
        rewards = _only(table.get("reward", {}), RewardRecipe, "reward.")
        return cls(**_only(table, cls, "") | {"reward": RewardRecipe(**rewards)})


def processes() -> int:
    """How many processes train together, as accelerate and torchrun say it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _only(table: dict[str, Any], kind: type, where: str) -> dict[str, Any]:
    known = {field.name: field.type for field in fields(kind)}
    for name, value in table.items():
        if name not in known:
            raise BadSettings(f"{where}{name} is not in the recipe: it knows {', '.join(known)}")
        if known[name] in ("int", "float") and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise BadSettings(f"{where}{name} is {value!r}: write a number")
    return dict(table)
