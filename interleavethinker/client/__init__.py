"""The Python client of a running orchestrator: ask for a document, follow it being made, work on it, take it away.

    from interleavethinker import Client

    with Client() as client:  # INTERLEAVETHINKER_URL, else http://127.0.0.1:8080
        run = client.interleave("How do I draw a snowman with a red hat, step by step?", seed=7)
        for recorded in run:
            print(recorded.event.type)
        run.document().save("out/")

`AsyncClient` is the same, awaited. Both are one implementation: `_async` is written by hand, `_sync` is made from it
(`make client`); what needs no network stands beside them, once. It knows the HTTP of docs/api.md and nothing of how a
document is made. Services call each other through `interleavethinker.clients`.
"""

from interleavethinker.client._async.client import AsyncClient
from interleavethinker.client._async.document import AsyncRunDocument
from interleavethinker.client._async.run import AsyncRun
from interleavethinker.client._async.step import AsyncRunStep
from interleavethinker.client._sync.client import Client
from interleavethinker.client._sync.document import RunDocument
from interleavethinker.client._sync.run import Run
from interleavethinker.client._sync.step import RunStep
from interleavethinker.client.access import Unreached
from interleavethinker.client.answers import Progress, RunAbout, Share
from interleavethinker.client.asking import Picture, Variations, Wishes

__all__ = [
    "AsyncClient",
    "AsyncRun",
    "AsyncRunDocument",
    "AsyncRunStep",
    "Client",
    "Picture",
    "Progress",
    "Run",
    "RunAbout",
    "RunDocument",
    "RunStep",
    "Share",
    "Unreached",
    "Variations",
    "Wishes",
]
