"""Proofs from real processes: what survives which fault. Nobody imports this room."""
