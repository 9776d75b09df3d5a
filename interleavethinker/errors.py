"""What can go wrong, in our own words. HTTP shapes are in `http`; nothing here knows of transports."""

from __future__ import annotations


class InterleaveError(Exception):
    """Base. `code` is stable and machine-readable; `retryable` says whether the same call may succeed later."""

    code = "internal"
    status = 500
    retryable = False

    def __init__(self, detail: str, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class Malformed(InterleaveError):
    """A model's answer that cannot be read.

    `reason` names the damage: missing_think, missing_answer, unreadable, wrong_fields, wrong_types, known_damage, and
    changed_steps (a second answer that takes back steps already given out).
    `raw` is the whole answer, kept for the journal.
    """

    code = "malformed_answer"
    status = 502
    retryable = True

    def __init__(self, reason: str, detail: str, raw: str) -> None:
        super().__init__(detail, reason=reason, raw=raw)
        self.reason = reason
        self.raw = raw


class BadRequest(InterleaveError):
    """The caller must change the request; `detail` says what."""

    code = "invalid_request"
    status = 422


class Unauthenticated(InterleaveError):
    """Nobody known asks: there is no key, or it is none of ours, or it has run out."""

    code = "unauthenticated"
    status = 401


class Forbidden(InterleaveError):
    """The caller is known, and may not do this."""

    code = "forbidden"
    status = 403


class NotFound(InterleaveError):
    code = "not_found"
    status = 404


class Conflict(InterleaveError):
    """The same id or key with another content, or an action that this state does not allow."""

    code = "conflict"
    status = 409


class Unavailable(InterleaveError):
    """A part of the system is away or not ready; trying again may help."""

    code = "unavailable"
    status = 503
    retryable = True


class NobodyDraws(Unavailable):
    """The generator answers, and has no live worker. The member `waited` says for how many seconds one was waited
    for."""

    code = "nobody_draws"


class RateLimited(InterleaveError):
    """A limit over time is reached. The member `retry_after` says in how many seconds there is room again."""

    code = "rate_limited"
    status = 429
    retryable = True


class Denied(InterleaveError):
    """The content filter will not have this prompt or picture."""

    code = "content_denied"
    status = 422


class ContentRefused(InterleaveError):
    """A hosted model will not answer this, by its owner's rules. Asking again would be refused again."""

    code = "content_refused"
    status = 422


class DrawFailed(InterleaveError):
    """The generator could not draw this job, and would not the next time either."""

    code = "draw_failed"
    status = 500


class Canceled(InterleaveError):
    """The job or run was canceled by its owner."""

    code = "canceled"
    status = 409


class BadCheckpoint(InterleaveError):
    """A checkpoint directory that does not fit the service that was given it."""

    code = "bad_checkpoint"
    status = 503


class BadSettings(InterleaveError):
    """A setting that cannot work; the detail says which one and what to write instead."""

    code = "bad_settings"


class NotInstalled(InterleaveError):
    """An optional library is missing here; the detail says what to install."""

    code = "not_installed"
    status = 501
