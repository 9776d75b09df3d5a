"""InterleaveThinker's language: values, events, ports and the one codec by which they are said to and read from models.

Nothing in this package imports torch, transformers, diffusers, celery or fastapi at module level; `chat.local` alone
loads torch. `Client` and `AsyncClient` are loaded when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interleavethinker.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in ("AsyncClient", "Client"):
        from interleavethinker import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
