"""Answers sampled and weighed with each question read once for its whole group.

GRPO asks the same question `group` times. Stock generation reads it as often, pictures and all, both to sample and to
learn; here it is read once and its keys and values are handed to every answer, gradients included. Same numbers (a
test compares them), a third of the work. For one process and plain attention; TRL's own path serves all else.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache, Qwen3VLForConditionalGeneration

from interleavethinker.chat.qwen import QwenInputs, Row


class Reading:
    """A batch of questions, read; answers continue from here. `side` is left, so that all end at the same place."""

    def __init__(self, model: Qwen3VLForConditionalGeneration, inputs: QwenInputs, rows: Sequence[Row]) -> None:
        self.model = model
        batch = {name: values.to(model.device) for name, values in inputs.batch(rows, side="left").items()}
        self.cache = DynamicCache(config=model.config)
        self.attended = batch["attention_mask"]
        positions, _ = model.model.get_rope_index(
            batch["input_ids"], batch["mm_token_type_ids"], batch["image_grid_thw"], attention_mask=self.attended
        )
        self.next = positions.amax(dim=(0, 2)) + 1
        """The position of each answer's first token, (questions,)."""
        images = {name: batch[name] for name in ("pixel_values", "image_grid_thw")}
        read = model.model(
            input_ids=batch["input_ids"],
            attention_mask=self.attended,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            **images,
        )
        self.last = read.last_hidden_state[:, -1]
        """The hidden state that the first token is sampled from, (questions, width)."""

    def spread(self, questions: Tensor) -> None:
        """One row an answer: `questions` (answers,) says which question each one answers."""
        questions = questions.to(self.last.device)
        self.cache.batch_select_indices(questions)
        self.attended, self.next, self.last = self.attended[questions], self.next[questions], self.last[questions]

    def answers(self, tokens: Tensor, at: int = 0) -> Tensor:
        """Read the answers' next tokens (answers, n), the first being number `at`; their hidden states."""
        count, n = tokens.shape
        self.attended = torch.cat([self.attended, self.attended.new_ones(count, n)], dim=1)
        positions = self.next[:, None] + torch.arange(at, at + n, device=tokens.device)
        read = self.model.model(
            input_ids=tokens,
            attention_mask=self.attended,
            position_ids=positions.expand(3, count, n),
            past_key_values=self.cache,
            use_cache=True,
        )
        hidden: Tensor = read.last_hidden_state
        return hidden


@torch.no_grad()
def sample(
    model: Qwen3VLForConditionalGeneration,
    inputs: QwenInputs,
    rows: Sequence[Row],
    questions: Tensor,
    *,
    max_tokens: int,
    temperature: float = 1.0,
    ends: Sequence[int],
) -> list[list[int]]:
    """Answers as tokens, the end token included where one was said; `questions` (answers,) are indices into `rows`.

    Temperature 0 is greedy. The whole distribution is sampled (top-p 1); an image token, which no answer can hold, is
    left out as TRL leaves it out.
    """
    reading = Reading(model, inputs, rows)
    reading.spread(questions)
    last = torch.tensor(list(ends), device=model.device)
    stop = torch.zeros(len(questions), dtype=torch.bool, device=model.device)
    hidden, said = reading.last, []
    for at in range(max_tokens):
        logits = model.lm_head(hidden).float()
        logits[:, model.config.image_token_id] = -torch.inf
        if temperature:
            token = torch.multinomial(torch.softmax(logits / temperature, -1), 1)[:, 0]
        else:
            token = logits.argmax(-1)
        said.append(token)
        stop = stop | torch.isin(token, last)
        if stop.all():
            break
        hidden = reading.answers(token[:, None], at)[:, -1]
    return [_until(row, set(ends)) for row in torch.stack(said, dim=1).tolist()]


def _until(tokens: list[int], ends: set[int]) -> list[int]:
    return next((tokens[: at + 1] for at, token in enumerate(tokens) if token in ends), tokens)


def log_probabilities(
    model: Qwen3VLForConditionalGeneration,
    inputs: QwenInputs,
    rows: Sequence[Row],
    questions: Tensor,
    answers: Tensor,
    *,
    temperature: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Log-probability of each token of the answers (answers, n), padded on the right, and the entropy it had (without
    gradient)."""
    reading = Reading(model, inputs, rows)
    reading.spread(questions)
    hidden = torch.cat([reading.last[:, None], reading.answers(answers[:, :-1])], dim=1)
    chances = torch.log_softmax(model.lm_head(hidden).float() / temperature, dim=-1)
    with torch.no_grad():
        entropy = -(chances.exp() * chances).sum(-1)
    return chances.gather(2, answers[..., None])[..., 0], entropy
