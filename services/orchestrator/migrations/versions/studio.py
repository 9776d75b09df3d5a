"""What people need to find and show their runs: a card of each for the list and its search, and share links.

Cards of the runs that there are by now are made of their requests and events.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "studio"
down_revision = "losses"

_SHOWS = ("step_planned", "plan_edited", "drawn", "step_finished", "attempt_kept")


def upgrade() -> None:
    op.add_column("runs", sa.Column("title", sa.String(160), nullable=False, server_default=sa.text("''")))
    op.add_column("runs", sa.Column("words", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("runs", sa.Column("steps", sa.Integer, nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("cover", sa.String(64), nullable=True))
    op.create_table(
        "shares",
        sa.Column("run_id", sa.String(40), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("token", sa.String(64), nullable=False, unique=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
    )
    db = op.get_bind()
    write = sa.text("UPDATE runs SET title = :title, words = :words, steps = :steps, cover = :cover WHERE id = :id")
    asked = db.execute(sa.text("SELECT id, request FROM runs")).all()
    told = sa.text("SELECT type, body FROM events WHERE run_id = :id AND type IN :shows ORDER BY seq")
    told = told.bindparams(sa.bindparam("shows", expanding=True))
    for run_id, request in asked:
        events = [(kind, json.loads(body)) for kind, body in db.execute(told, {"id": run_id, "shows": _SHOWS})]
        db.execute(write, {"id": run_id} | _card(json.loads(request), events))


def downgrade() -> None:
    op.drop_table("shares")
    for column in ("cover", "steps", "words", "title"):
        op.drop_column("runs", column)


def _card(request: dict[str, Any], events: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    names: dict[int, str] = {}
    pictures: dict[tuple[int, int | None], str] = {}
    kept: dict[int, int | None] = {}
    for kind, event in events:
        match kind:
            case "step_planned":
                names[event["step"]["index"]] = event["step"].get("name", "")
            case "plan_edited":
                names = {step["index"]: step.get("name", "") for step in event["plan"]["steps"]}
            case "drawn":
                pictures[event["step"], event["number"]] = event["drawing"]["image"]["digest"]
            case "step_finished":
                kept[event["step"]] = event.get("kept")
            case "attempt_kept":
                kept[event["step"]] = event["number"]
    prompt = request["brief"]["prompt"].replace("<image>", " ")
    line = " ".join(prompt.split())
    title = line if len(line) <= 160 else line[:159].rsplit(" ", 1)[0] + "…"
    covers = [pictures[step, kept.get(step)] for step in names if (step, kept.get(step)) in pictures]
    words = "\n".join(" ".join(text.split()) for text in (prompt, *filter(None, names.values()))).casefold()
    return {"title": title, "words": words, "steps": len(names), "cover": covers[-1] if covers else None}
