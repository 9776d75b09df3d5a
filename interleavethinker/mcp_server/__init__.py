"""A server of the Model Context Protocol: lets a language model's program have documents made, watch them, take them.

It is a client of a running orchestrator and keeps nothing itself. docs/mcp.md says how programs are told of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Serve on standard input and output until they close, or over HTTP until a signal. Exits with a line where the
    extra `mcp` is not installed."""
    parser = argparse.ArgumentParser(
        prog="python -m interleavethinker.mcp_server", description="A Model Context Protocol server."
    )
    parser.add_argument("--url", help="the orchestrator's; INTERLEAVETHINKER_URL, else http://127.0.0.1:8080")
    parser.add_argument("--http", type=int, metavar="PORT", help="serve http://HOST:PORT/mcp, not standard input")
    parser.add_argument("--host", default="127.0.0.1", help="with --http")
    asked = parser.parse_args(argv)
    try:
        from interleavethinker.mcp_server.server import serve_http, serve_stdio
    except ModuleNotFoundError as error:
        raise SystemExit(f"{error.name} is not installed: pip install 'interleavethinker[mcp]'") from error
    if asked.http is None:
        serve_stdio(asked.url)
    else:
        serve_http(asked.url, asked.host, asked.http)


__all__ = ["main"]
