"""The client without async is the one with it, made anew."""

from __future__ import annotations

from tests.client.unasynced import MADE, made


def test_what_is_made_is_what_stands_there():
    there = {path: path.read_text(encoding="utf-8") for path in MADE.glob("*.py")}
    assert there == made(), "run `make client`"
