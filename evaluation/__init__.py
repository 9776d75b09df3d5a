"""Measuring: held-out numbers with n, a seed and a 95% interval, printed by one command."""
