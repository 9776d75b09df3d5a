"""What an operator does by hand, or by a timer: `keys create|list|revoke|rotate`, and `gc`.

The parser's part and the doing of it; what a key is stands in `keys`, what is collected in `collection`.
"""

from __future__ import annotations

import argparse
import re
import sys
from datetime import timedelta

from interleavethinker.blobs import open_store
from interleavethinker.settings import BlobSettings, load_section
from services.orchestrator.access import Permission
from services.orchestrator.collection import collect
from services.orchestrator.keys import KeyRow, Keys
from services.orchestrator.schema import migrate
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.tables import open_engine

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """`90d`, `24h`, `30m`, `10s`, or `0`."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)([smhd])", "0s" if text == "0" else text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 30m, 24h or 90d")
    return timedelta(**{_UNITS[found[2]]: float(found[1])})


def add_keys(roles: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The parser of `keys`."""
    verbs = roles.add_parser("keys", help="make, list, revoke and rotate API keys").add_subparsers(
        dest="verb", required=True
    )
    create = verbs.add_parser("create", help="a new key; its text is printed once and kept nowhere")
    create.add_argument("--tenant", required=True, help="whose runs it sees")
    create.add_argument(
        "--scope", action="append", type=Permission, choices=list(Permission), help="may be repeated; read and write"
    )
    create.add_argument("--note", default="", help="what it is for")
    create.add_argument("--expires", type=duration, default=None, metavar="90d", help="in so long; else never")
    listing = verbs.add_parser("list", help="all keys, without their secrets")
    listing.add_argument("--tenant", default=None)
    verbs.add_parser("revoke", help="refused from the next request on").add_argument("id")
    rotate = verbs.add_parser("rotate", help="a new key like an old one, which runs out")
    rotate.add_argument("id")
    rotate.add_argument(
        "--grace", type=duration, default=timedelta(hours=24), metavar="24h", help="when the old one ends"
    )


def add_gc(roles: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The parser of `gc`."""
    gc = roles.add_parser("gc", help="delete runs past their retention, and images that no run refers to")
    gc.add_argument("--older-than", type=duration, default=timedelta(hours=24), metavar="24h", help="of images")
    gc.add_argument("--dry-run", action="store_true", help="only say what would be deleted")


async def gc(chosen: argparse.Namespace, settings: OrchestratorSettings) -> None:
    """Do it, and say how much it was."""
    days = settings.retention_days
    await migrate(settings.journal)
    engine = open_engine(settings.journal)
    try:
        done = await collect(
            engine,
            open_store(load_section("blobs", BlobSettings)),
            older_than=chosen.older_than,
            retention=None if days is None else timedelta(days=days),
            keys_live=timedelta(seconds=settings.idempotency_seconds),
            dry_run=chosen.dry_run,
        )
    finally:
        await engine.dispose()
    verb = "would be deleted" if chosen.dry_run else "deleted"
    gone = f"{done.runs} runs, {done.blobs} images, {done.leftovers} unfinished writes"
    print(f"{verb}: {gone}; {done.kept} old images are still referred to")


async def keys(chosen: argparse.Namespace, settings: OrchestratorSettings) -> None:
    """Do what was chosen, and say so: a new key's text alone on standard output, all else on standard error."""
    async with Keys(settings.journal) as store:
        match chosen.verb:
            case "create":
                scopes = chosen.scope or [Permission.READ, Permission.WRITE]
                made, text = await store.create(chosen.tenant, scopes, note=chosen.note, lives=chosen.expires)
                _shown_once(made, text)
            case "rotate":
                _shown_once(*await store.rotate(chosen.id, grace=chosen.grace))
            case "revoke":
                await store.revoke(chosen.id)
                print(f"key {chosen.id} is refused from now on", file=sys.stderr)
            case "list":
                for row in await store.list(chosen.tenant):
                    print(_line(row))


def _shown_once(made: KeyRow, text: str) -> None:
    print(f"{_line(made)}\nkeep it now, it is not shown again:", file=sys.stderr)
    print(text)


def _line(row: KeyRow) -> str:
    until = "ended" if row.ended else f"until {row.expires_at:%Y-%m-%d %H:%M}Z" if row.expires_at else "no end"
    return "\t".join((row.id, row.tenant, ",".join(sorted(row.permissions)), until, row.note))
