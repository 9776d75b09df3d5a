"""JSON bodies as strictly as RFC 8259 and I-JSON mean them, for every route of every service.

Python's own reader takes more: a name twice (the last one wins, though another reader may have checked the first),
NaN and Infinity, UTF-16, half a character, and as many values as memory holds. Each of these is a 400 here, before any
value is looked at. Deliberately not here: what a body should say (its model does), and how long it may be.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

MOST_VALUES = 100_000
DEEPEST = 32


class StrictRoute(APIRoute):
    """A route whose JSON bodies are read by `read_json`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            return await answer(_StrictRequest(request.scope, request.receive))

        return strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        return read_json(await self.body())


def read_json(body: bytes) -> Any:
    """The body's value. Raises HTTPException 400 that says what is wrong with it."""
    # Commas and brackets bound the number of values; counting them costs nothing beside reading them.
    if sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        _refuse(f"it has more than {MOST_VALUES} values")
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number)
    except UnicodeDecodeError:
        _refuse("it is not UTF-8")
    except RecursionError:
        _refuse(f"it is nested deeper than {DEEPEST}")
    except ValueError as error:
        _refuse(str(error)[:200])
    _check(found)
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for place, (name, _) in enumerate(pairs) if name in dict(pairs[:place]))
        _refuse(f"the name {twice[:80]!r} comes twice in one object")
    return found


def _no_number(text: str) -> NoReturn:
    _refuse(f"{text} is no JSON number")


def _check(value: Any) -> None:
    """Look at every value, without recursion."""
    open_ones: list[tuple[Any, int]] = [(value, 1)]
    while open_ones:
        value, depth = open_ones.pop()
        if depth > DEEPEST:
            _refuse(f"it is nested deeper than {DEEPEST}")
        if isinstance(value, dict):
            open_ones += ((inner, depth + 1) for inner in (*value, *value.values()))
        elif isinstance(value, list):
            open_ones += ((inner, depth + 1) for inner in value)
        elif isinstance(value, str):
            _check_text(value)
        elif isinstance(value, float) and not math.isfinite(value):
            _refuse("a number is too large")


def _check_text(text: str) -> None:
    if "\0" in text:
        _refuse("a text holds a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        _refuse("a text holds half a character (a lone surrogate)")


def _refuse(why: str) -> NoReturn:
    raise HTTPException(400, f"the body cannot be read as JSON: {why}")
