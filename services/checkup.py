"""`python -m services.checkup`: what a stack here would be started with, and its journal's state, as one JSON object.

For `interleavethinker doctor`, which imports no service. It changes nothing: no database is made or migrated. Secrets
are not said.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from pydantic import BaseModel, ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from interleavethinker.errors import BadSettings
from interleavethinker.settings import BlobSettings, InternalSettings, RedisSettings, load_section, said_tables
from interleavethinker.telemetry import LogSettings
from services.critic_service.settings import CriticSettings
from services.generator_service.settings import GeneratorSettings
from services.orchestrator.schema import revisions
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.tables import open_engine
from services.planner_service.settings import PlannerSettings

SECTIONS: dict[str, type[BaseModel]] = {
    "orchestrator": OrchestratorSettings,
    "planner": PlannerSettings,
    "critic": CriticSettings,
    "generator": GeneratorSettings,
    "blobs": BlobSettings,
    "redis": RedisSettings,
    "internal": InternalSettings,
    "log": LogSettings,
}
SAID = ("host", "port", "backend", "model", "pinned", "pack", "device", "base_url", "auth", "runs_at_once")
"""Fields that are said where a section has them; none of them is a secret."""


def said(settings: BaseModel) -> dict[str, Any]:
    """The fields of SAID; a model with the commit that is named apart from it."""
    facts = {field: getattr(settings, field) for field in SAID if hasattr(settings, field)}
    return facts | ({"model": settings.model_id} if isinstance(settings, GeneratorSettings) else {})


def journal(url: str) -> dict[str, Any]:
    """`state`: absent, right, older, unknown (a newer one), or away; with the revisions. Raises BadSettings."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadSettings(f"journal URL {url!r}: write sqlite:///path/to/journal.db or postgresql://...") from error
    facts = {"url": parsed.render_as_string(hide_password=True), "newest": revisions().get_current_head()}
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        return facts | {"state": "absent"}
    return facts | asyncio.run(_revision(url))


async def _revision(url: str) -> dict[str, Any]:
    engine = open_engine(url)
    try:
        async with engine.connect() as db:
            now = await db.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
    except Exception as error:  # whatever a driver says: it is away, and these are its words
        return {"state": "away", "problem": " ".join(str(error).split())[:300]}
    finally:
        await engine.dispose()
    chain = revisions()
    known = {script.revision for script in chain.walk_revisions()} | {None}
    state = "right" if now == chain.get_current_head() else "older" if now in known else "unknown"
    return {"state": state, "now": now}


def further_generators() -> dict[str, dict[str, Any]]:
    """What the section `generators` names, as `generators.<name>`; its fields stand over those of `[generator]`."""
    try:
        tables, shared = said_tables("generators"), load_section("generator", GeneratorSettings)
    except BadSettings as error:
        return {"generators": {"problem": error.detail}}
    found: dict[str, dict[str, Any]] = {}
    for name, table in tables.items():
        try:
            below = shared.model_dump(
                exclude={"preset", *GeneratorSettings.PRESET_FIELDS} if "preset" in table else {"preset"}
            )
            found[f"generators.{name}"] = said(GeneratorSettings.model_validate({**below, **table}))
        except ValidationError as error:
            told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            found[f"generators.{name}"] = {"problem": f"generators.{name}: {told}"}
    return found


def look() -> dict[str, Any]:
    found: dict[str, Any] = {"sections": further_generators(), "journal": None}
    for name, model in SECTIONS.items():
        try:
            settings = load_section(name, model)
        except BadSettings as error:
            found["sections"][name] = {"problem": error.detail}
            continue
        found["sections"][name] = said(settings)
        if isinstance(settings, OrchestratorSettings):
            try:
                found["journal"] = journal(settings.journal)
            except BadSettings as error:
                found["journal"] = {"state": "away", "problem": error.detail}
    return found


if __name__ == "__main__":
    json.dump(look(), sys.stdout)
