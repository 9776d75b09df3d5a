"""What is tried, where, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass

from interleavethinker.settings import InternalSettings, load_section
from interleavethinker.types import Size
from services.generator_service.presets import preset
from services.generator_service.settings import GeneratorSettings
from services.orchestrator.settings import OrchestratorSettings

ROOM = 3.0
"""A published time is of a plain call on the card it names; so many times as long still passes."""


@dataclass(frozen=True, slots=True)
class Tried:
    """`urls` by service. `model`: what the generator should say that it draws with, None: whatever it says.
    `accelerated`: it should draw on an accelerator. `prompt`, `change` empty: the plan's. Seconds None: any
    time passes."""

    urls: dict[str, str]
    token: str | None
    api_key: str | None
    prompt: str
    change: str
    wish: str
    size: Size | None
    model: str | None
    accelerated: bool
    draw_seconds: float | None
    verdict_seconds: float | None
    document_seconds: float | None
    max_steps: int
    patience: float


def of_settings() -> tuple[dict[str, str], str | None, GeneratorSettings, float | None]:
    """Where the services are, the token between them, the generator's settings, and how long its preset may take."""
    orchestrator = load_section("orchestrator", OrchestratorSettings)
    generator = load_section("generator", GeneratorSettings)
    token = load_section("internal", InternalSettings).token
    urls = {
        "orchestrator": f"http://127.0.0.1:{orchestrator.port}",
        "planner": orchestrator.planner_url,
        "critic": orchestrator.critic_url,
        "generator": orchestrator.generator_url,
    }
    published = preset(generator.preset).draw_seconds if generator.preset else None
    return urls, token.get_secret_value() if token else None, generator, published * ROOM if published else None
