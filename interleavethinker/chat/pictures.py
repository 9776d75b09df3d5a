"""How images are said to a server of OpenAI's chat API, and under which names a `vllm serve` may keep them.

A picture is seen by the critic as "after", again as "before" of the next step, and at each attempt at it. With
`named`, each image part has vLLM's `uuid`, by which the server finds what it has computed of it without reading the
pixels. With `once`, the pixels of an image that was sent before are left out; a server that does not have it any more
refuses, and is sent everything again (`openai`). vLLM takes the uuid alone for the content, so ours is a digest of the
bytes and of the salt that keeps tenants apart. Deliberately not here: asking, and what to do when one is missing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal

from interleavethinker.chat.habits import in_bytes
from interleavethinker.codec import ImagePart, Message, TextPart
from interleavethinker.errors import BadRequest

ImageNames = Literal["off", "named", "once"]
MOST_KNOWN = 512
"""Images that are taken for known to the server; vLLM keeps some gigabytes of them (`--mm-processor-cache-gb`)."""

_CONTROL = re.compile(r"<\|(\w+)\|>")
_SIGNATURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


class Pictures:
    """What one server is sent of images. `image_bytes`: a larger one goes as JPEG."""

    def __init__(self, names: ImageNames, image_bytes: int | None) -> None:
        self._names, self._image_bytes = names, image_bytes
        self._known: OrderedDict[str, None] = OrderedDict()

    def said(self, messages: Sequence[Message[bytes]], salt: str | None, *, whole: bool) -> list[Any]:
        """The messages on the wire. `whole`: with the pixels of every image."""
        return [self._message(message, salt, whole) for message in messages]

    def known(self, spoken: Sequence[Any]) -> None:
        """The server has answered these messages: it has their images."""
        for name in names_in(spoken) if self._names == "once" else ():
            self._known[name] = None
            self._known.move_to_end(name)
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)

    def forget(self, spoken: Sequence[Any]) -> bool:
        """The server did not answer these: take none of their images for known. Whether pixels were left out."""
        for name in names_in(spoken):
            self._known.pop(name, None)
        return any(part.get("image_url", "") is None for part in _parts(spoken))

    def _message(self, message: Message[bytes], salt: str | None, whole: bool) -> Any:
        parts = [self._part(part, salt, whole) for part in message.parts]
        only_text = all(part["type"] == "text" for part in parts)  # said as one string: some servers take nothing else
        return {"role": message.role, "content": "".join(part["text"] for part in parts) if only_text else parts}

    def _part(self, part: TextPart | ImagePart[bytes], salt: str | None, whole: bool) -> dict[str, Any]:
        if isinstance(part, TextPart):
            return {"type": "text", "text": plain(part.text)}
        if _kind(part.image) is None:
            raise BadRequest("an image is neither PNG, JPEG nor WebP: send one of these")
        named = {}
        if self._names != "off":
            name = hashlib.sha256((salt or "").encode() + b"/" + part.image).hexdigest()
            named = {"uuid": name}
            if name in self._known and not whole:
                return {"type": "image_url", "image_url": None, **named}
        image = in_bytes(part.image, self._image_bytes)
        url = f"data:{_kind(image)};base64,{base64.b64encode(image).decode()}"
        return {"type": "image_url", "image_url": {"url": url}, **named}


def names_in(spoken: Sequence[Any]) -> list[str]:
    return [part["uuid"] for part in _parts(spoken) if "uuid" in part]


def _parts(spoken: Sequence[Any]) -> list[dict[str, Any]]:
    return [part for message in spoken if isinstance(message["content"], list) for part in message["content"]]


def _kind(image: bytes) -> str | None:
    return next((kind for magic, kind in _SIGNATURES.items() if image.startswith(magic)), None)


def plain(text: str) -> str:
    """Break `<|im_end|>` and its like, which the server would read as control tokens; a person reads the same."""
    return _CONTROL.sub(r"< |\1| >", text)
