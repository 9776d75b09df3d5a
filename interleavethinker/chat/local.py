"""A Qwen3-VL in this process, by transformers: the default on a bare machine.

Decodes one token at a time on one thread of its own, so that the event loop stays free, answers that are asked for
together take turns, and an answer that nobody reads any more costs nothing. No batching: many users want `vllm serve`.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from torch import Tensor
from transformers import DynamicCache, Qwen3VLForConditionalGeneration
from transformers.utils import logging

from interleavethinker import tracing
from interleavethinker.chat.base import Token
from interleavethinker.chat.decoding import OneToken, fits
from interleavethinker.chat.qwen import QwenInputs, Row
from interleavethinker.chat.traced import traced
from interleavethinker.codec import Message
from interleavethinker.errors import BadCheckpoint, BadRequest
from interleavethinker.settings import find_path
from interleavethinker.telemetry import CHAT_TOKENS
from interleavethinker.weights import refuse_unsafe

_HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w.-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WANTED = ("*.safetensors", "*.json", "*.txt", "*.jinja", "*.model")
"""Of a model on the hub: weights and data, no code and no pickles."""
_LOADING = threading.Lock()
"""transformers patches torch while it loads: two models loaded at once break each other, and every later one."""


class LocalChat:
    """Implements `chat.Chat` over a model directory, or a Hugging Face id as owner/name@commit. Loads in the background
    from the start."""

    supports_prefix = True

    def __init__(
        self,
        model: str,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        threads: int | None = None,
        pinned: bool = True,
    ) -> None:
        """`dtype` is torch's name for it; on a CPU only float32 is quick. `threads`: torch's own, for the process.
        `pinned`: a Hugging Face id must name a commit."""
        self.model = model
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chat")
        self._loaded: Future[_Qwen] = self._thread.submit(_load, model, device, dtype, threads, pinned)

    @traced
    async def stream(
        self,
        messages: Sequence[Message[bytes]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        prefix: str = "",
    ) -> AsyncGenerator[Token, None]:
        tracing.annotate({"gen_ai.provider.name": "transformers"})
        qwen = await asyncio.shield(asyncio.wrap_future(self._loaded))
        answer = qwen.answer(messages, max_tokens, temperature, seed, prefix)
        loop = asyncio.get_running_loop()
        # A stream that is closed or cancelled drops the last reference to `answer`; nothing else stops the decoding.
        while (token := await loop.run_in_executor(self._thread, next, answer, None)) is not None:
            yield token

    async def ready(self) -> list[str]:
        if not self._loaded.done():
            return [f"the model {self.model} is still being loaded"]
        error = self._loaded.exception()
        return [str(error)] if error else []

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _load(model: str, device: str, dtype: str, threads: int | None, pinned: bool) -> _Qwen:
    directory = find_path(model)
    if not directory.is_dir():
        directory = _fetched(model, pinned=pinned)
    refuse_unsafe(directory, model)
    logging.disable_progress_bar()  # it would stand in the middle of the service's log
    if threads:
        torch.set_num_threads(threads)
    try:
        with _LOADING:
            return _Qwen(model, str(directory), torch.device(device), getattr(torch, dtype))
    except Exception as error:  # a checkpoint can be broken in as many ways as it has files; readiness must say so
        raise BadCheckpoint(f"{model} cannot be loaded as a Qwen3-VL: {type(error).__name__}: {error}") from error


def _fetched(model: str, *, pinned: bool) -> Path:
    """The directory of a model on the hub, from the cache where it lies there. Without a commit it can be another model
    tomorrow."""
    found = _HUB_ID.fullmatch(model)
    if found is None:
        raise BadCheckpoint(
            f"there is no model directory {model}: train one, or set `model` to one, or a Hugging Face id"
        )
    name, revision = found.groups()
    if pinned and not _COMMIT.fullmatch(revision or ""):
        raise BadCheckpoint(
            f"model is {model!r}: write the commit too, as {name}@<40 hex digits> (the model's page lists them under "
            "Files, History), or set `pinned` to false to take whatever is there now"
        )
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(_WANTED)))
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{model} cannot be had from the Hugging Face hub: {error}") from error


class _Qwen:
    """The model, its inputs and its tokens. Used by one thread, but by any number of unfinished answers."""

    def __init__(self, name: str, directory: str, device: torch.device, dtype: torch.dtype) -> None:
        self._read, self._written = (CHAT_TOKENS.labels(name, kind) for kind in ("input", "output"))
        self.inputs = QwenInputs.load(directory)
        self.vocabulary = self.inputs.vocabulary()
        self.net = Qwen3VLForConditionalGeneration.from_pretrained(
            directory, dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
        self.net = self.net.to(device).eval()
        ends = self.net.generation_config.eos_token_id
        self.ends = {self.inputs.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])}
        self.room: int = self.net.config.text_config.max_position_embeddings

    def answer(
        self, messages: Sequence[Message[bytes]], max_tokens: int, temperature: float, seed: int, prefix: str
    ) -> Iterator[Token]:
        """Decode; see `Chat.stream`. `due` is what is left of the prefix for the model to spell (`Vocabulary.seam`)."""
        kept, due = self.vocabulary.seam(self.inputs.tokens(prefix))
        row = self.inputs.encode(messages, prefix=kept)
        length = row["input_ids"].shape[1]
        if length >= self.room:
            raise BadRequest(
                f"the request has {length} tokens, the model reads {self.room}: shorten it, shrink its images"
            )
        self._read.inc(length)
        chance = torch.Generator().manual_seed(seed)
        text = self.vocabulary.text()
        reading = _Reading(self.net)
        logits = reading.prompt(row)
        for _ in range(min(max_tokens, self.room - length)):
            token = self._spelled(logits, due) if due else _choose(logits, temperature, chance)
            self._written.inc()
            if token in self.ends:
                break
            spelling = self.vocabulary.spelling(token)
            old, due = min(len(due), len(spelling)), due[len(spelling) :]
            if old < len(spelling):
                yield Token(text.feed(token, skip=old), torch.log_softmax(logits, -1)[token].item())
            logits = reading.token(token)
        if rest := text.close():
            yield Token(rest, None)

    def _spelled(self, logits: Tensor, due: bytes) -> int:
        """The likeliest token among those that spell what is due."""
        allowed = torch.tensor(self.vocabulary.towards(due))
        return int(allowed[logits[allowed].argmax()])


class _Reading:
    """What the model has read of one conversation: its cache, and the position of the next token.

    Positions are given explicitly. Left to itself the model remembers the image offsets of the last prompt it saw, and
    applies them to whatever it decodes next, also to another conversation without an image.
    """

    def __init__(self, net: Qwen3VLForConditionalGeneration) -> None:
        self.net = net
        self.one = OneToken(net) if fits(net) else None
        self.cache = DynamicCache(config=net.config)
        self.position = 0

    def prompt(self, row: Row) -> Tensor:
        """Read the row (1, tokens); the logits (vocabulary,) of what follows."""
        grid = row.get("image_grid_thw")
        positions, _ = self.net.model.get_rope_index(row["input_ids"], row["mm_token_type_ids"], grid)
        self.position = int(positions.max()) + 1
        images = {name: values for name, values in row.items() if name in ("pixel_values", "image_grid_thw")}
        return self._read(row["input_ids"], positions, images)

    def token(self, token: int) -> Tensor:
        """Read one more token; the logits (vocabulary,) of what follows."""
        at, self.position = self.position, self.position + 1
        if self.one is not None:
            with torch.inference_mode():
                return self.one.read(token, at, self.cache)
        position = torch.full((3, 1, 1), at)
        return self._read(torch.tensor([[token]]), position, {})

    @torch.inference_mode()
    def _read(self, tokens: Tensor, positions: Tensor, images: Row) -> Tensor:
        inputs = {"input_ids": tokens, "position_ids": positions, **images}
        inputs = {name: values.to(self.net.device) for name, values in inputs.items()}
        logits: Tensor = self.net(**inputs, past_key_values=self.cache, use_cache=True, logits_to_keep=1).logits
        return logits[0, -1].float().cpu()


def _choose(logits: Tensor, temperature: float, chance: torch.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=chance))
