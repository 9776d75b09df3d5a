"""The last prompts' embeddings, kept: the same words need the text encoder once.

It stands in front of a pipeline's `encode_prompt` and is keyed by the pipeline and the digest of its arguments; where
they hold more than words and numbers (a picture that the encoder looks at), nothing is kept.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

import torch

_PLAIN = (str, int, float, bool, type(None), torch.device, torch.dtype)


class TextCache:
    """Bounded: the one that was used longest ago goes first. Of one thread, as its pipeline."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self.hits = self.misses = 0
        self._pipelines = 0

    def stand_before(self, pipeline: Any) -> bool:
        """Keep what its `encode_prompt` gives; False where it has none."""
        encode = getattr(pipeline, "encode_prompt", None)
        if encode is None or not self._most:
            return False
        self._pipelines += 1
        number = self._pipelines

        def encode_prompt(*args: Any, **kwargs: Any) -> Any:
            if not _plain((args, kwargs)):
                return encode(*args, **kwargs)
            key = hashlib.sha256(repr((number, args, sorted(kwargs.items()))).encode()).hexdigest()
            if key in self._kept:
                self.hits += 1
                self._kept.move_to_end(key)
                return self._kept[key]
            self.misses += 1
            self._kept[key] = found = encode(*args, **kwargs)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return found

        pipeline.encode_prompt = encode_prompt
        return True

    def clear(self) -> None:
        """Forget everything, the counts too."""
        self._kept.clear()
        self.hits = self.misses = 0

    def counts(self) -> dict[str, int]:
        return {"hits": self.hits, "misses": self.misses}


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_plain(each) for each in value.values())
    if isinstance(value, (list, tuple)):
        return all(_plain(each) for each in value)
    return isinstance(value, _PLAIN)
