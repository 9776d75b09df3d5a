"""`python -m services.orchestrator` serves the orchestrator; `... migrate [--to REVISION]` moves its database by hand;
`... keys create|list|revoke|rotate` sees to API keys; `... gc` deletes what nobody needs.

Serving migrates by itself; by hand is for going back before an older version is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from interleavethinker.errors import InterleaveError
from interleavethinker.settings import load_section
from interleavethinker.telemetry import configure_logging
from services.anatomy import serve
from services.orchestrator.app import create_app
from services.orchestrator.commands import add_gc, add_keys, gc, keys
from services.orchestrator.schema import HEAD, migrate
from services.orchestrator.settings import OrchestratorSettings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m services.orchestrator", description=__doc__)
    roles = parser.add_subparsers(dest="role")
    by_hand = roles.add_parser("migrate", help="move the journal's database to a revision")
    by_hand.add_argument("--to", default=HEAD, help="a revision's name, head (default) or base")
    add_keys(roles)
    add_gc(roles)
    chosen = parser.parse_args()
    settings = load_section("orchestrator", OrchestratorSettings)
    if chosen.role == "migrate":
        configure_logging("orchestrator")
        print(asyncio.run(migrate(settings.journal, chosen.to)))
    elif chosen.role == "keys":
        configure_logging("orchestrator")  # on standard error: the new key stands alone on standard output
        asyncio.run(keys(chosen, settings))
    elif chosen.role == "gc":
        configure_logging("orchestrator")
        asyncio.run(gc(chosen, settings))
    else:
        serve(create_app(settings), settings.host, settings.port)


if __name__ == "__main__":
    try:
        main()
    except InterleaveError as error:
        sys.exit(f"{error.code}: {error.detail}")
