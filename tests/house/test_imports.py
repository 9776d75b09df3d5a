"""Who may import whom, and what stays unloaded: the house's walls."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LOAD = """
import importlib, json, pkgutil, sys
import {package}
for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    if module.name not in {skipped!r} and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""
MODEL_LIBRARIES = {"torch", "transformers", "diffusers", "trl"}


def loaded_by(package: str, *, skipped: tuple[str, ...] = ()) -> set[str]:
    """The top-level names in `sys.modules` of a new process that imported the whole package."""
    code = LOAD.format(package=package, skipped=skipped)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout))


def test_the_language_loads_no_model_library_and_no_server():
    alone = (
        "chat.decoding",
        "chat.local",
        "chat.qwen",
        "mcp_server.caller",
        "mcp_server.server",
    )  # loaded when they are asked for
    loaded = loaded_by("interleavethinker", skipped=tuple(f"interleavethinker.{name}" for name in alone))
    assert not loaded & (MODEL_LIBRARIES | {"celery", "fastapi", "uvicorn", "sqlalchemy", "services", "smallworld"})


@pytest.mark.parametrize("service", ["planner_service", "critic_service", "orchestrator"])
def test_a_service_loads_no_model_library_until_its_settings_ask_for_one(service: str):
    assert not loaded_by(f"services.{service}") & MODEL_LIBRARIES


def test_a_worker_that_lets_others_draw_loads_no_model_library():
    backends = ("openai_images", "gemini")
    wanted = [
        "services.generator_service.worker",
        *(f"services.generator_service.backends.{name}" for name in backends),
    ]
    code = "import importlib, sys\n" + "".join(f"importlib.import_module({name!r})\n" for name in wanted)
    code += f"assert not {MODEL_LIBRARIES!r} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_small_world_is_numbers_and_pixels():
    loaded = loaded_by("smallworld", skipped=("smallworld.patchcode",))
    assert not loaded & (MODEL_LIBRARIES | {"fastapi", "services", "training"})


def test_import_contracts():
    """`.importlinter` holds; its output names the import that does not."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-logo"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
