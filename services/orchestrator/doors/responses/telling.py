"""A document as a response: the words of each step that was reached, and its picture, in the document's order.

A step that nothing is settled of yet is the last one shown: what comes after it has not been reached. Deliberately not
here: the events of a stream (`events`), which are made of these same items.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from interleavethinker.document import Document, DocumentStep, fold
from interleavethinker.errors import Denied
from interleavethinker.events import Recorded, Status
from interleavethinker.types import Cost
from services.orchestrator.doors.responses.ids import item_id, response_id
from services.orchestrator.doors.responses.models import MODEL
from services.orchestrator.doors.responses.noted import Noted
from services.orchestrator.doors.responses.pictures import Pictures
from services.orchestrator.doors.responses.shapes import (
    CallItem,
    CallMore,
    Failure,
    Incomplete,
    MessageItem,
    OutputDetails,
    OutputItem,
    OutputText,
    ResponseMore,
    ResponseStatus,
    ResponseView,
    Usage,
)
from services.orchestrator.rules import BudgetSpent

STATUSES: dict[Status, ResponseStatus] = {
    Status.QUEUED: "queued",
    Status.PROCESSING: "in_progress",
    Status.WAITING: "in_progress",
    Status.SUCCEEDED: "completed",
    Status.PARTIAL: "incomplete",
    Status.FAILED: "failed",
    Status.CANCELED: "cancelled",
}
TOKEN_BYTES = 4


async def response(recorded: Sequence[Recorded], pictures: Pictures, base_url: str) -> ResponseView:
    """The response after these events of a run, all of them or its first ones."""
    document, noted = fold(recorded), Noted.read(recorded[0])
    items = [item for entry in reached(document) for item in await _items(entry, document, pictures)]
    return head(document, noted, base_url).model_copy(update={"output": items})


def head(document: Document, noted: Noted, base_url: str) -> ResponseView:
    """All of a response but its output."""
    budget = document.request.budget
    return ResponseView(
        id=response_id(document.run_id),
        created_at=int(document.created_at.timestamp()),
        completed_at=document.finished_at and int(document.finished_at.timestamp()),
        status=STATUSES[document.status],
        error=_failure(document),
        incomplete_details=_incomplete(document),
        max_tool_calls=budget.max_draws,
        model=document.request.generator or MODEL,
        usage=_usage(document) if document.status.final else None,
        interleave=_more(document, base_url),
        **noted.model_dump(),
    )


def reached(document: Document) -> Iterator[DocumentStep]:
    for entry in document.steps:
        yield entry
        if not entry.finished:
            return


def draws(entry: DocumentStep) -> bool:
    return bool(entry.step.prompt or entry.asked)


def message(entry: DocumentStep, run_id: str) -> MessageItem:
    """The step's words, as Markdown that can be joined with the others'."""
    step = entry.step
    name = step.name.strip() or f"Step {step.index}"
    text = f"## {step.index}. {name[0].upper()}{name[1:]}\n\n" + (
        f"{step.text.strip()}\n\n" if step.text.strip() else ""
    )
    return MessageItem(id=item_id("msg", run_id, step.index), status="completed", content=[OutputText(text=text)])


async def call(entry: DocumentStep, document: Document, pictures: Pictures) -> CallItem:
    """The step's picture, as far as it has come."""
    kept = entry.attempt
    status = "completed" if kept else "failed" if document.status.final else "generating"
    return CallItem(
        id=item_id("ig", document.run_id, entry.step.index),
        status=status,
        result=kept and await pictures.base64(kept.image),
        revised_prompt=kept and kept.prompt,
        action="edit" if kept and kept.canvas else "generate",
        output_format=pictures.format,
        size=kept and f"{kept.image.width}x{kept.image.height}",
        interleave=CallMore(
            step=entry.step.index,
            attempts=len(entry.attempts),
            kept=entry.kept,
            accepted=entry.accepted,
            digest=kept and kept.image.digest,
        ),
    )


async def _items(entry: DocumentStep, document: Document, pictures: Pictures) -> list[OutputItem]:
    words = message(entry, document.run_id)
    return [words, await call(entry, document, pictures)] if draws(entry) else [words]


def _failure(document: Document) -> Failure | None:
    problem = document.problem
    if problem is None or problem.code == BudgetSpent.code:
        return None
    denied = problem.code == Denied.code
    code = "image_content_policy_violation" if denied else "server_error"
    return Failure(code=code, message=f"{problem.code}: {problem.detail}")


def _incomplete(document: Document) -> Incomplete | None:
    if document.status is not Status.PARTIAL:
        return None
    reasons = {BudgetSpent.code: "max_output_tokens", Denied.code: "content_filter"}
    return Incomplete.model_validate({"reason": reasons.get(document.problem.code if document.problem else "")})


def _usage(document: Document) -> Usage:
    judged = [each for entry in document.steps for each in entry.attempts if each.verdict]
    thoughts = [document.reasoning, *(each.verdict.reasoning for each in judged if each.verdict)]
    written = [entry.step.model_dump_json(exclude_none=True) for entry in document.steps]
    written += [each.verdict.refined_prompt or "" for each in judged if each.verdict]
    read = [document.request.brief.prompt, *(each.prompt for each in judged)]
    given, thought, said = (_tokens(texts) for texts in (read, thoughts, written))
    return Usage(
        input_tokens=given,
        output_tokens=thought + said,
        output_tokens_details=OutputDetails(reasoning_tokens=thought),
        total_tokens=given + thought + said,
    )


def _tokens(texts: Sequence[str]) -> int:
    return sum(math.ceil(len(text.encode()) / TOKEN_BYTES) for text in texts)


def _more(document: Document, base_url: str) -> ResponseMore:
    attempts = [each for entry in document.steps for each in entry.attempts]
    return ResponseMore(
        run_id=document.run_id,
        document=f"{base_url.rstrip('/')}/interleave/{document.run_id}",
        draws=len(attempts),
        costs=_costs([each.cost for each in attempts if each.cost]),
        planner=document.planner,
        critic=next((each.critic for each in reversed(attempts) if each.critic), ""),
        generator=attempts[-1].model if attempts else "",
    )


def _costs(paid: Sequence[Cost]) -> list[Cost]:
    sums: dict[str, Cost] = {}
    for cost in paid:
        before = sums.get(cost.currency, Cost(amount=0, currency=cost.currency, calls=0))
        both = {"amount": before.amount + cost.amount, "calls": before.calls + cost.calls}
        sums[cost.currency] = before.model_copy(update=both)
    return list(sums.values())
