"""Every shipped profile fits every service, and says nothing that nobody reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from interleavethinker.settings import BlobSettings, RedisSettings, load_section
from interleavethinker.telemetry import LogSettings
from services.critic_service.settings import CriticSettings
from services.generator_service.settings import GeneratorSettings
from services.orchestrator.settings import OrchestratorSettings
from services.planner_service.settings import PlannerSettings

PROFILES = sorted((Path(__file__).parents[2] / "interleavethinker" / "profiles").glob("*.toml"))
SECTIONS: dict[str, type[BaseModel]] = {
    "planner": PlannerSettings,
    "critic": CriticSettings,
    "generator": GeneratorSettings,
    "orchestrator": OrchestratorSettings,
    "blobs": BlobSettings,
    "redis": RedisSettings,
    "log": LogSettings,
}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("section", SECTIONS)
def test_a_profile_fits(profile: Path, section: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTERLEAVETHINKER_PROFILE", profile.stem)
    load_section(section, SECTIONS[section])


def test_every_service_has_a_port_of_its_own():
    ports = [load_section(name, SECTIONS[name]).port for name in ("orchestrator", "planner", "critic", "generator")]  # type: ignore[attr-defined]
    assert ports == [8080, 8081, 8082, 8083]
