"""`python -m services.orchestrator`: serve the orchestrator."""

from __future__ import annotations

from interleavethinker.settings import load_section
from services.anatomy import serve
from services.orchestrator.app import create_app
from services.orchestrator.settings import OrchestratorSettings


def main() -> None:
    settings = load_section("orchestrator", OrchestratorSettings)
    serve(create_app(settings), settings.host, settings.port)


if __name__ == "__main__":
    main()
