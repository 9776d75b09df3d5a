"""Read a value written as JSON, as a Python literal, or as a mixture of both. Never `eval`.

Models that learned Python-style answers also write `true` beside single quotes, a raw line break in a string, an
apostrophe without its backslash, or a code fence around it all; those are read too. Whether the value is a plan or a
verdict is not known here. Length is bounded by the envelope, nesting by the parsers themselves.
"""

from __future__ import annotations

import ast
import json
import re

from interleavethinker.codec.damage import Damage
from interleavethinker.codec.scan import string_end

_FENCE = re.compile(r"```\w*\s(.*)```", re.DOTALL)
_QUOTE = re.compile(r"['\"]")
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?![\w.])"
_BETWEEN = re.compile(rf"(?:[\s\[\]{{}}:,]|{_NUMBER}|\b(?:True|False|None|true|false|null)\b)*+")
_WORD = re.compile("true|false|null")
_WORDS = {"true": "True", "false": "False", "null": "None"}
_INNER = re.compile(r"""\\(?:[\\'"abfnrtv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})|\\/|[\\'"\n\r]""")
_REPLACED = {"\\/": "/", "\n": "\\n", "\r": "\\r"}


def read_literal(text: str) -> object:
    """The value of a literal: dicts, lists, strings, numbers, True, False, None. Raises Damage("unreadable")."""
    text = text.strip()
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1].strip()
    try:
        value: object = json.loads(text, strict=False)
        return value
    except (ValueError, RecursionError):
        pass  # not JSON, then: the usual case
    try:
        return ast.literal_eval(_as_python(text))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as failure:
        detail = f"the answer is neither JSON nor a Python literal ({type(failure).__name__})"
        raise Damage("unreadable", detail) from None


def _as_python(text: str) -> str:
    """The text with JSON's words and loose strings as Python wants them; a sound Python literal stays as it is.

    Raises ValueError for anything between the strings that is no literal, so that Python's parser never meets
    operators, calls or comments, nor warns of them.
    """
    pieces = []
    at = 0
    while opening := _QUOTE.search(text, at):
        pieces.append(_between(text[at : opening.start()]))
        end, _ = string_end(text, opening.end(), opening[0])
        pieces.append(opening[0] + _INNER.sub(_inner, text[opening.end() : end]) + opening[0])
        at = end + 1
    return "".join(pieces) + _between(text[at:])


def _between(text: str) -> str:
    """Brackets, commas, numbers and words."""
    if not _BETWEEN.fullmatch(text):
        raise ValueError(text)
    return _WORD.sub(lambda found: _WORDS[found[0]], text)


def _inner(found: re.Match[str]) -> str:
    """Within a string: a sound escape as it is, JSON's `\\/` as `/`, other backslashes, quotes and breaks escaped."""
    return _REPLACED.get(found[0]) or (found[0] if len(found[0]) > 1 else "\\" + found[0])
