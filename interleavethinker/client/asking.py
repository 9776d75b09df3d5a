"""What callers wish, as the service takes it: typed fields, and pictures in every form that people have them in."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from pydantic import BaseModel

from interleavethinker.errors import BadRequest
from interleavethinker.types import Budget, CriticMode, GenerationParams, ImageRef, Size, Step

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = "str | Path | bytes | ImageRef | Image"
"""A file (Path, or its name), an encoded picture's bytes, a Pillow image, a `data:` or `https://` URL, base64, or the
digest of a picture that the service has."""

_LONGEST_NAME = 1024
_NO_FILE = re.compile(r"data:|https?://|[0-9a-f]{64}$")


class Variations(TypedDict, total=False):
    """What a run that goes on from another may take otherwise (POST .../branch and .../continue)."""

    seed: int
    max_attempts: int
    critic: CriticMode | Literal["off", "quick", "strict"]
    budget: Budget | Mapping[str, Any]
    params: GenerationParams | Mapping[str, Any]
    generator: str
    webhook: str | Mapping[str, Any]


class Continuation(Variations, total=False):
    """And of one that continues a document."""

    max_steps: int
    review_plan: bool


class Wishes(Continuation, total=False):
    """The fields of POST /interleave beside the prompt; docs/api.md says what each does."""

    images: Sequence[Picture]
    references: Sequence[Picture]
    size: Size | tuple[int, int] | Mapping[str, int]
    anchor: int
    style: str
    characters: str
    independent_steps: bool
    candidates: int


class StepTexts(TypedDict, total=False):
    """A step's texts. None empties one."""

    name: str
    instruction: str | None
    auxiliary_text: str | None
    prompt: str | None


class Redrawing(TypedDict, total=False):
    """How a step is drawn again. `references` are for this step only, from then on."""

    prompt: str
    seed: int
    max_attempts: int
    budget: Budget | Mapping[str, Any]
    later: Literal["stale", "redraw"]
    references: Sequence[Picture]


class Insertion(Redrawing, total=False):
    """A new step."""

    name: str
    instruction: str
    auxiliary_text: str


def body(wishes: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The JSON of these wishes; what is None is left out. Raises BadRequest for a picture that cannot be read."""
    return {name: _plain(name, value) for name, value in {**more, **wishes}.items() if value is not None}


def steps_body(steps: Sequence[Step]) -> dict[str, Any]:
    return {"steps": [step.model_dump(mode="json") for step in steps]}


def _plain(name: str, value: Any) -> Any:
    match name, value:
        case (("images" | "references"), _):
            return [picture(each) for each in value]
        case "size", (width, height):
            return {"width": width, "height": height}
        case "webhook", str():
            return {"url": value}
        case "steps", _:
            return steps_body(value)["steps"]
        case _, BaseModel():
            return value.model_dump(mode="json")
    return value


def picture(given: Picture) -> str:
    """The picture as the service takes it; it looks at the bytes, whatever a name says."""
    match given:
        case ImageRef():
            return given.digest
        case bytes():
            return _data_url(given)
        case Path():
            return _data_url(_read(given))
        case str():
            return _data_url(_read(Path(given))) if _names_a_file(given) else given
    out = io.BytesIO()
    given.save(out, "PNG")
    return _data_url(out.getvalue())


def _names_a_file(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and not _NO_FILE.match(text) and Path(text).is_file()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadRequest(f"the image {path} cannot be read: {error.strerror}") from error


def _data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
