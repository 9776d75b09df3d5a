"""Hypothesis without a deadline: on two busy cores a slow example says nothing about the code."""

from hypothesis import settings

settings.register_profile("codec", deadline=None)
settings.load_profile("codec")
