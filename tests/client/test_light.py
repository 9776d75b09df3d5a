"""What the client costs: no model library, no server, no broker, and little time."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVERS = {
    "aiosqlite", "alembic", "asyncpg", "celery", "diffusers", "fastapi", "joserfc", "kombu", "limits", "obstore",
    "openai", "prometheus_client", "redis", "services", "sqlalchemy", "starlette", "structlog", "torch",
    "transformers", "uvicorn",
}  # fmt: skip
WITHOUT = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {SERVERS!r}:
            raise ModuleNotFoundError(f"no {{name}} here", name=name)
sys.meta_path.insert(0, Absent())
"""
PAGE = """
from interleavethinker import AsyncClient, Client
from interleavethinker.document import Document
from interleavethinker.client import taking
from interleavethinker.types import Brief, InterleaveRequest
from datetime import datetime, UTC
request = InterleaveRequest(brief=Brief(prompt="x"))
made = Document(run_id="run", status="succeeded", created_at=datetime.now(UTC), request=request)
assert "made by machine" in taking.notebook(made, {})
import interleavethinker.cli
"""


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_base_asks_for_no_server_and_no_model_library():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = {re.split(r"[^\w.-]", line, maxsplit=1)[0].replace("-", "_") for line in project["dependencies"]}
    assert base.isdisjoint(SERVERS)


def test_client_and_command_line_work_where_nothing_of_the_services_is_installed():
    python(WITHOUT + PAGE)


def test_importing_the_package_loads_nothing_and_the_client_little():
    loaded = python(
        "import sys, interleavethinker; few = len(sys.modules); "
        "from interleavethinker import Client; print(few, *sorted({n.partition('.')[0] for n in sys.modules}))"
    ).split()
    assert int(loaded[0]) < 120, "the package alone loads none of its modules"
    assert SERVERS.isdisjoint(loaded[1:])
    assert {"PIL", "jinja2", "rich", "typer"}.isdisjoint(loaded[1:])


def test_the_types_are_shipped():
    assert (ROOT / "interleavethinker" / "py.typed").exists()
