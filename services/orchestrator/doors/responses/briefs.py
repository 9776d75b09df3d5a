"""A request in OpenAI's words as one in ours: the items become one prompt with its pictures where they stood.

A single message is the prompt as it is. Of several, each stands as a paragraph in its place; what the instructions and
`system` or `developer` messages say stands first. Deliberately not here: the rules for prompts and images, which are
those of POST /interleave (`door`, `intake`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import ValidationError

from interleavethinker.errors import BadRequest, NotFound
from interleavethinker.types import IMAGE_MARKER, InterleaveRequest
from services.orchestrator.answers import House
from services.orchestrator.door import Ask
from services.orchestrator.doors.responses.asks import ResponseAsk
from services.orchestrator.doors.responses.ids import place, run_id
from services.orchestrator.doors.responses.inputs import CallBack, Message, PicturePart
from services.orchestrator.edits import continued
from services.orchestrator.intake import hold

_FIRST = ("system", "developer")
_PLACES = {"prompt": "input", "images": "input", "size": "tools.0.size", "budget": "max_tool_calls"}


class Wrong(BadRequest):
    """A parameter that cannot be honoured; `param` names it."""

    def __init__(self, param: str, detail: str) -> None:
        super().__init__(f"{param}: {detail}", param=param)


class NoEarlier(Wrong):
    """As OpenAI says it when there is nothing to go on from."""

    code = "previous_response_not_found"


class Said(NamedTuple):
    """One prompt, and its pictures in the order of its markers: data: URLs, URLs, base64, or digests."""

    prompt: str
    images: list[str]


async def brief(ask: ResponseAsk, house: House, owner: str | None, generator: str | None) -> InterleaveRequest:
    """The inner request, its images checked and stored. Raises BadRequest, Conflict, and Denied."""
    said = await _said(ask, house, owner)
    native = _native(ask, said, generator)
    await house.guards.admit(native.prompt)
    asked = await native.request(house.blobs, house.settings.images, house.fetch)
    if ask.previous_response_id is None:
        return asked
    before = run_id(ask.previous_response_id)
    if not await _own(before, house, owner):
        raise NoEarlier("previous_response_id", f"there is no response {ask.previous_response_id!r}")
    document = await house.journal.document(before)
    if not document.status.final:
        raise Wrong("previous_response_id", f"{ask.previous_response_id} is {document.status}; wait for its end")
    base = continued(document, asked.brief.prompt, asked.brief.images)
    own = native.model_fields_set & InterleaveRequest.model_fields.keys()
    following = base.model_copy(update={name: getattr(asked, name) for name in own})
    await hold(house.blobs, following)
    return following


def _native(ask: ResponseAsk, said: Said, generator: str | None) -> Ask:
    """The same as POST /interleave would be asked it; what was not asked for is not set."""
    more = ask.interleave.model_dump(mode="json", exclude_none=True)
    more["generator"] = generator  # also that it is the default one: of a document that is continued, it may be another
    try:
        if size := ask.tool.pixels:
            more["size"] = size.model_dump()
        if ask.max_tool_calls is not None:
            more["budget"] = more.get("budget", {}) | {"max_draws": ask.max_tool_calls}
        return Ask.model_validate({"prompt": said.prompt, "images": said.images, **more})
    except ValidationError as error:
        raise _wrong(error) from error


def _wrong(error: ValidationError) -> Wrong:
    first: Any = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else "input"
    param = "tools.0.size" if error.title == "Size" else _PLACES.get(field, f"interleave.{field}")
    return Wrong(param, first["msg"])


async def _said(ask: ResponseAsk, house: House, owner: str | None) -> Said:
    first = [_plain(ask.instructions)] if ask.instructions else []
    paragraphs: list[str] = []
    images: list[str] = []
    for at, item in enumerate([ask.input] if isinstance(ask.input, str) else ask.input):
        if isinstance(item, str):
            paragraphs.append(_plain(item))
        elif isinstance(item, CallBack):
            images.append(item.result or await _earlier(item, f"input.{at}", house, owner))
            paragraphs.append(IMAGE_MARKER)
        elif item.role in _FIRST:
            first.append(_words(item, f"input.{at}"))
        else:
            text, found = _message(item)
            paragraphs.append(text)
            images += found
    return Said("\n\n".join(text for text in (*first, *paragraphs) if text), images)


def _message(message: Message) -> Said:
    if isinstance(message.content, str):
        return Said(_plain(message.content), [])
    pictures = [part.image_url for part in message.content if isinstance(part, PicturePart)]
    parts = (IMAGE_MARKER if isinstance(part, PicturePart) else _plain(part.text) for part in message.content)
    return Said("\n".join(parts), pictures)


def _words(message: Message, where: str) -> str:
    text, pictures = _message(message)
    if pictures:
        raise Wrong(where, f"a {message.role} message holds words only; send pictures as the user's")
    return text


def _plain(text: str) -> str:
    """Over there, words are words: none of them marks a picture."""
    return text.replace(IMAGE_MARKER, " ")


async def _earlier(item: CallBack, where: str, house: House, owner: str | None) -> str:
    """The digest of the picture that the id means."""
    found = place(item.id)
    if found is None:
        raise Wrong(where, f"{item.id!r} is no picture of this service; send its bytes as `result`")
    if not await _own(found.run_id, house, owner):
        raise Wrong(where, f"there is no picture {item.id!r}")
    for entry in (await house.journal.document(found.run_id)).steps:
        if entry.step.index == found.step and entry.image:
            return entry.image.digest
    raise Wrong(where, f"{item.id} has no picture")


async def _own(run_id: str, house: House, owner: str | None) -> bool:
    """Another tenant's is as unknown as one that never was."""
    try:
        return await house.journal.owner(run_id) == owner
    except NotFound:
        return False
