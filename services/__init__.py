"""The four processes: planner_service, critic_service, generator_service, orchestrator. None imports another."""
