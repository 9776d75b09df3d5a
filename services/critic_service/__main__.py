"""`python -m services.critic_service`: serve the critic by its settings."""

from interleavethinker.settings import load_section
from services.anatomy import serve
from services.critic_service.app import build
from services.critic_service.settings import CriticSettings


def main() -> None:
    settings = load_section("critic", CriticSettings)
    serve(build(settings), settings.host, settings.port)


if __name__ == "__main__":
    main()
