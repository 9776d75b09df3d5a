"""What a caller does with a run and its document by the run's id: steps, their order, the plan, pictures, sharing."""

# Made from the file of this name in `_async` by `make client`: change that one.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from pydantic_core import from_json

from interleavethinker.client import answers
from interleavethinker.client._sync.wire import Wire
from interleavethinker.client.answers import Share
from interleavethinker.client.asking import Insertion, Picture, Redrawing, StepTexts, body, steps_body
from interleavethinker.document import Document
from interleavethinker.types import Step


class Edits:
    """Part of the client. A step is named by its `index`, which stays its own in whatever order steps are shown."""

    _wire: Wire

    def redraw(self, run_id: str, step: int, *, key: str | None = None, **wishes: Unpack[Redrawing]) -> None:
        """Have a step of a finished run drawn again. `wishes`: prompt, seed, max_attempts, budget, and `later`, "stale"
        or "redraw"."""
        self._wire.call("POST", f"/interleave/{run_id}/steps/{step}/redraw", json=body(wishes), key=key)

    def keep(self, run_id: str, step: int, attempt: int, *, key: str | None = None) -> Document:
        """Let this attempt at a step of a finished run stand; the document as it is then."""
        path = f"/interleave/{run_id}/steps/{step}/keep"
        return answers.document(self._wire.call("POST", path, json={"attempt": attempt}, key=key))

    def edit_step(self, run_id: str, step: int, **texts: Unpack[StepTexts]) -> Document:
        """Other texts for a step: name, instruction, auxiliary_text, prompt; None empties one. Nothing is drawn;
        another prompt makes the step stale until it is redrawn. The document as it is then."""
        return answers.document(self._wire.call("PATCH", f"/interleave/{run_id}/steps/{step}", json=dict(texts)))

    def insert_step(self, run_id: str, after: int, *, key: str | None = None, **wishes: Unpack[Insertion]) -> None:
        """A step more, after the one with this index (0: before all). With a `prompt` it is drawn: the run goes on."""
        asked = body(wishes, after=after)
        self._wire.call("POST", f"/interleave/{run_id}/steps", json=asked, key=key)

    def delete_step(self, run_id: str, step: int) -> Document:
        """Take a step out; the document as it is then. `arrange` puts it back."""
        return answers.document(self._wire.call("DELETE", f"/interleave/{run_id}/steps/{step}"))

    def arrange(self, run_id: str, steps: Sequence[int]) -> Document:
        """The order in which the steps are shown, by index; every one once. The document as it is then."""
        return answers.document(self._wire.call("PUT", f"/interleave/{run_id}/order", json={"steps": list(steps)}))

    def pin(self, run_id: str, references: Sequence[Picture]) -> Document:
        """The pictures that every drawing from here on is given; none: `[]`. The document as it is then."""
        asked = body({"references": references})
        return answers.document(self._wire.call("PUT", f"/interleave/{run_id}/references", json=asked))

    def share(self, run_id: str, *, expires_in: float | None = None) -> Share:
        """A link by which anyone may read the run, for so many seconds, or until `unshare`. A run has one link."""
        asked = body({"expires_in": expires_in})
        return Share.model_validate_json(self._wire.call("POST", f"/interleave/{run_id}/share", json=asked))

    def shared(self, run_id: str) -> Share:
        """The run's link. Raises NotFound for a run that is not shared."""
        return Share.model_validate_json(self._wire.call("GET", f"/interleave/{run_id}/share"))

    def unshare(self, run_id: str) -> bool:
        """End the link at once; whether there was one."""
        return bool(from_json(self._wire.call("DELETE", f"/interleave/{run_id}/share"))["revoked"])

    def trace(self, run_id: str) -> dict[str, Any]:
        """Where the time went, raw answers of the models, and what it takes to make the same again."""
        found = from_json(self._wire.call("GET", f"/interleave/{run_id}/trace"))
        return dict(found)

    def edit_plan(self, run_id: str, steps: Sequence[Step]) -> Document:
        """Put these steps in the place of a waiting run's plan."""
        return answers.document(self._wire.call("PUT", f"/interleave/{run_id}/plan", json=steps_body(steps)))

    def approve(self, run_id: str, *, key: str | None = None) -> None:
        """Let a run that waits for a word on its plan (`review_plan`) go on."""
        self._wire.call("POST", f"/interleave/{run_id}/plan/approve", key=key)
