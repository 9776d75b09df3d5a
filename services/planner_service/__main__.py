"""`python -m services.planner_service`: serve the planner by its settings."""

from interleavethinker.settings import load_section
from services.anatomy import serve
from services.planner_service.app import build
from services.planner_service.settings import PlannerSettings


def main() -> None:
    settings = load_section("planner", PlannerSettings)
    serve(build(settings), settings.host, settings.port)


if __name__ == "__main__":
    main()
