"""What must hold of a run's events, whatever happened while it was made. Used by the fault trials and by tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from interleavethinker.document import fold
from interleavethinker.events import (
    AttemptKept,
    Drawn,
    Finished,
    Judged,
    Recorded,
    Resumed,
    Status,
    StepFinished,
    StepPlanned,
    StepReopened,
)
from interleavethinker.ports import Blobs

GOES_ON = (Resumed, StepReopened, AttemptKept)
"""What a caller may wish of a run that has ended."""
SUCCEEDED = frozenset({Status.SUCCEEDED})


def broken(events: Sequence[Recorded], *, digest: str | None = None, ends: Collection[Status] = SUCCEEDED) -> list[str]:
    """The invariants that do not hold, in words; empty when all do. `digest`: of the document that an undisturbed run
    makes. `ends`: how the run may have ended.

    Event numbers have no gap; each step is planned and settled once, each (step, number) drawn and judged once; no
    drawing is paid for twice; nothing follows the end; the document is the undisturbed one.
    """
    found: list[str] = []
    numbers = [recorded.seq for recorded in events]
    if numbers != list(range(1, len(numbers) + 1)):
        found.append(f"event numbers have a gap or repeat: {numbers}")
    said = [recorded.event for recorded in events]
    resumed = any(isinstance(event, GOES_ON) for event in said)
    for kind, places in (
        ("drawn", [(event.step, event.number) for event in said if isinstance(event, Drawn)]),
        ("judged", [(event.step, event.number) for event in said if isinstance(event, Judged)]),
        ("planned", [event.step.index for event in said if isinstance(event, StepPlanned)]),
        ("settled", [] if resumed else [event.step for event in said if isinstance(event, StepFinished)]),
        ("paid for", [event.job.id for event in said if isinstance(event, Drawn)]),
    ):
        found += [f"{place} is {kind} {times} times" for place, times in Counter(places).items() if times > 1]
    for end in [place for place, event in enumerate(said) if isinstance(event, Finished)]:
        if end + 1 < len(said) and not isinstance(said[end + 1], GOES_ON):
            found.append(f"{said[end + 1].type} follows the end")
    try:
        document = fold(events)
    except (KeyError, ValueError) as error:
        return [*found, f"the events make no document: {error!r}"]
    if document.status not in ends:
        detail = document.problem.detail if document.problem else "no problem is told"
        found.append(f"the run is {document.status}: {detail}")
    if digest and document.digest != digest:
        found.append("the document is another one than that of an undisturbed run")
    return found


async def lost_pictures(events: Sequence[Recorded], blobs: Blobs) -> list[str]:
    """Pictures that the journal names and the store does not have."""
    return [
        f"picture {recorded.event.drawing.image.digest[:12]} is lost"
        for recorded in events
        if isinstance(recorded.event, Drawn) and not await blobs.has(recorded.event.drawing.image.digest)
    ]
