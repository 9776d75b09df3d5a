"""What a response was asked, as OpenAI lists it: one message with the brief's words and pictures where they stand."""

from __future__ import annotations

import base64

from pydantic import JsonValue

from interleavethinker.document import Document
from interleavethinker.ports import Blobs
from interleavethinker.types import IMAGE_MARKER
from services.orchestrator.doors.responses.ids import item_id
from services.orchestrator.doors.responses.shapes import InputItem, InputItems


async def shown(document: Document, blobs: Blobs) -> InputItems:
    brief = document.request.brief
    # Images without a marker come first.
    unmarked = len(brief.images) - brief.prompt.count(IMAGE_MARKER)
    first, *rest = (IMAGE_MARKER * unmarked + brief.prompt).split(IMAGE_MARKER)
    content: list[dict[str, JsonValue]] = [_text(first)] if first.strip() else []
    for image, text in zip(brief.images, rest, strict=True):
        url = f"data:{image.media_type};base64,{base64.b64encode(await blobs.get(image.digest)).decode()}"
        content.append({"type": "input_image", "image_url": url, "detail": "auto"})
        content += [_text(text)] if text.strip() else []
    item = InputItem(id=item_id("in", document.run_id, 0), content=content)
    return InputItems(data=[item], first_id=item.id, last_id=item.id)


def _text(text: str) -> dict[str, JsonValue]:
    return {"type": "input_text", "text": text.strip()}
