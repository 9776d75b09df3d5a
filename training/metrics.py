"""What a training run shows to Prometheus while it goes on: `/metrics` on a port of its own, where a setting says so.

    INTERLEAVETHINKER_TRAINING__METRICS_PORT=9100 python -m training grpo ...

The first process of a run serves it, from a side thread, and it ends with the process. Deliberately not here: what is
kept of a run (`rl_log`, `tracking`); these are the last values only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from prometheus_client import REGISTRY, Counter, Gauge, start_http_server
from pydantic import BaseModel, ConfigDict, Field
from transformers import TrainerCallback

from interleavethinker.errors import BadSettings
from interleavethinker.settings import load_section

RUN = ["kind", "run"]
"""sft or grpo, and the name of the run's directory: one pair a process."""
STEP = Gauge("interleavethinker_training_step", "Optimizer steps taken.", RUN)
STEPS = Gauge("interleavethinker_training_steps", "Optimizer steps that the run will take.", RUN)
VALUES = {
    "loss": Gauge("interleavethinker_training_loss", "Loss of the last logged steps.", RUN),
    "eval_loss": Gauge("interleavethinker_training_held_out_loss", "Loss on held-out examples.", RUN),
    "token_accuracy": Gauge("interleavethinker_training_token_accuracy", "Share of learned tokens foretold.", RUN),
    "learning_rate": Gauge("interleavethinker_training_learning_rate", "Learning rate.", RUN),
    "grad_norm": Gauge("interleavethinker_training_grad_norm", "Gradients' norm before it is clipped.", RUN),
    "kl": Gauge("interleavethinker_training_kl", "KL of the policy to where it started.", RUN),
    "entropy": Gauge("interleavethinker_training_entropy", "Entropy of the policy's tokens, nats.", RUN),
    "completions/mean_length": Gauge("interleavethinker_training_answer_tokens", "Tokens an answer, mean.", RUN),
    "step_time": Gauge("interleavethinker_training_step_seconds", "Seconds of the last step.", RUN),
}
REWARD = Gauge("interleavethinker_training_reward", "Mean reward of a step's answers, by part.", [*RUN, "part"])
SHARE = Gauge(
    "interleavethinker_training_share",
    "Share of a step's answers: accepted, right_on_true, right_on_false, malformed, fixed (of redraws), cut_off; "
    "of its groups: flat_groups (all rewards alike, nothing is learned).",
    [*RUN, "of"],
)
DROPPED = Counter("interleavethinker_training_redraws_dropped", "Answers whose redraw failed: they teach nothing.", RUN)
SAMPLES = Counter("interleavethinker_training_samples", "Answers or examples learned from.", RUN)
PARTS = {"reward": "total", "format_reward": "format", "accuracy_reward": "accuracy", "step_reward": "step"}
SHARES = {
    **{name: name for name in ("accepted", "right_on_true", "right_on_false", "malformed", "fixed")},
    "completions/clipped_ratio": "cut_off",
    "frac_reward_zero_std": "flat_groups",
}


class TrainingSettings(BaseModel):
    """Section `training`: what a training process shows while it runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    metrics_port: int | None = Field(default=None, ge=1, le=65535, description="serve /metrics there; None: nowhere")
    metrics_host: str = Field(default="127.0.0.1", description="0.0.0.0 in a pod, for its Prometheus")


class Shown(TrainerCallback):
    """Takes what the trainer logs as the metrics' new values."""

    def __init__(self, kind: Literal["sft", "grpo"], run: str, batch: int) -> None:
        """`batch`: answers or examples that a step learns from, over all processes."""
        self._labels, self._batch, self._counted = (kind, run), batch, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._counted = state.global_step
        STEP.labels(*self._labels).set(state.global_step)
        STEPS.labels(*self._labels).set(state.max_steps)
        for counter in (SAMPLES, DROPPED):
            counter.labels(*self._labels)  # shown as zero, not as absent

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        STEP.labels(*self._labels).set(state.global_step)
        SAMPLES.labels(*self._labels).inc(self._batch * max(0, state.global_step - self._counted))
        self._counted = state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        for name, value in (logs or {}).items():
            if not isinstance(value, int | float):
                continue
            if name in VALUES:
                VALUES[name].labels(*self._labels).set(value)
            elif name in PARTS:
                REWARD.labels(*self._labels, PARTS[name]).set(value)
            elif name in SHARES:
                SHARE.labels(*self._labels, SHARES[name]).set(value)
        if dropped := (logs or {}).get("dropped"):
            DROPPED.labels(*self._labels).inc(dropped * args.logging_steps)  # logged as a mean over these steps


_serving: set[tuple[str, int]] = set()


def shown(kind: Literal["sft", "grpo"], out: Path, batch: int, *, first: bool) -> list[TrainerCallback]:
    """The callback for a trainer, its /metrics being served from now on; none where no port is set, or where this is
    not the `first` process. `out`: the run's directory. Raises BadSettings for a port that cannot be had."""
    settings = load_section("training", TrainingSettings)
    if settings.metrics_port is None or not first:
        return []
    at = (settings.metrics_host, settings.metrics_port)
    if at not in _serving:
        try:
            start_http_server(settings.metrics_port, settings.metrics_host, REGISTRY)
        except OSError as error:
            raise BadSettings(f"training.metrics_port: {at[0]}:{at[1]} cannot be had: {error.strerror}") from error
        _serving.add(at)
    return [Shown(kind, out.name, batch)]
