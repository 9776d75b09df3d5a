"""Doors of other ecosystems: the same runs and the same journal, in the words of other protocols."""
