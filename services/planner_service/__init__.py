"""The planner: a brief in, a whole plan out, step by step while it is being written."""
