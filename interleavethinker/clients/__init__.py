"""The ports over HTTP: what the orchestrator holds of the planner, the critic and the generator."""
