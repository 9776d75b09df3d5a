"""Webhooks: what the outbox holds is told to its URLs, signed by Standard Webhooks, again and again until it is taken.

Waits between tries double, with jitter, up to an hour; after the setting's time, or when the receiver says 410 or its
address may not be called, a delivery is given up and its reason kept where its run's caller can read it. A receiver may
hear a message twice and tells by `webhook-id`. Deliberately not here: the outbox itself, and which addresses may be
called (`outbound`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

import httpx2
import structlog
from prometheus_client import Counter
from pydantic_core import to_json
from standardwebhooks import Webhook

from interleavethinker.errors import BadRequest
from interleavethinker.outbound import RefusedUrl, Resolve, Unresolved, check_url, outbound_client, system_resolve
from services.orchestrator.outbox import Delivery, DeliveryState, Hook, Outbox
from services.orchestrator.settings import Endpoint, WebhookSettings

log = structlog.get_logger(__name__)

TRIES = Counter("interleavethinker_webhook_tries", "Tries to tell a webhook.", ["outcome"])
AT_ONCE = 20
LONGEST_WAIT = 3600.0
GONE = 410


class Outcome(NamedTuple):
    """How a try ended: what became of the delivery, and in words what was wrong."""

    state: DeliveryState
    problem: str | None = None


class Webhooks:
    """Tells the webhooks while it is entered as an async context manager."""

    def __init__(self, outbox: Outbox, settings: WebhookSettings, *, resolve: Resolve = system_resolve) -> None:
        self._outbox, self._settings = outbox, settings
        self._http = outbound_client(private=settings.private, seconds=settings.answer_seconds, resolve=resolve)
        # Whoever writes the settings may name the own network.
        self._trusted = outbound_client(private=True, seconds=settings.answer_seconds, resolve=resolve)

    async def __aenter__(self) -> Self:
        self._telling = asyncio.create_task(self._tell(), name="webhooks")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._telling.cancel()
        await asyncio.gather(self._telling, return_exceptions=True)
        await self._http.aclose()
        await self._trusted.aclose()

    def hooks(self, url: str | None, events: Sequence[str]) -> list[Hook]:
        """Whom a run's events go to: the settings' endpoints, and the URL of its request. Raises BadRequest."""
        everywhere = [Hook(endpoint.url, endpoint.events) for endpoint in self._settings.endpoints]
        if url is None:
            return everywhere
        if self._secret(str(check_url(url, private=self._settings.private))) is None:
            raise BadRequest("webhook: this server has no secret to sign with, so it takes no webhooks in requests")
        return [*everywhere, Hook(url, tuple(events))]

    async def _tell(self) -> None:
        while True:
            try:
                due = await self._outbox.take(AT_ONCE, 2 * self._settings.answer_seconds + 10)
                await asyncio.gather(*(self._try(delivery) for delivery in due))
            except Exception as error:  # the database is away: what is due stays due
                log.warning("webhooks cannot be told now", error=str(error))
                due = []
            if not due:
                await asyncio.sleep(self._settings.look_seconds)

    async def _try(self, delivery: Delivery) -> None:
        state, problem = await self._send(delivery)
        now = datetime.now(UTC)
        due_at = now + timedelta(seconds=self._wait(delivery.tries))
        if state is DeliveryState.DUE and due_at > delivery.created_at + timedelta(seconds=self._settings.patience):
            state, problem = DeliveryState.GIVEN_UP, f"given up after {delivery.tries + 1} tries: {problem}"
        TRIES.labels(state).inc()
        if problem:
            log.warning("a webhook was not told", delivery=delivery.id, run_id=delivery.run_id, problem=problem)
        await self._outbox.settle(delivery, state, problem, due_at)

    async def _send(self, delivery: Delivery) -> Outcome:
        secret = self._secret(delivery.url)
        if secret is None:
            return Outcome(DeliveryState.GIVEN_UP, "the secret that its messages were signed with was taken away")
        recorded, now = await self._outbox.event(delivery), datetime.now(UTC)
        body = to_json({"type": f"run.{recorded.event.type}", "timestamp": recorded.at, "data": recorded}).decode()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(delivery.id, now, body),
        }
        client = self._trusted if self._endpoint(delivery.url) else self._http
        try:
            async with client.stream("POST", delivery.url, content=body, headers=headers) as response:
                status = response.status_code  # what it has to say besides is not read
        except RefusedUrl as error:
            return Outcome(DeliveryState.GIVEN_UP, error.detail)
        except Unresolved as error:
            return Outcome(DeliveryState.DUE, error.detail)
        except httpx2.HTTPError as error:
            return Outcome(DeliveryState.DUE, f"no answer ({type(error).__name__})")
        if 200 <= status < 300:
            return Outcome(DeliveryState.DELIVERED)
        state = DeliveryState.GIVEN_UP if status == GONE else DeliveryState.DUE
        return Outcome(state, f"the receiver answered {status}")

    def _secret(self, url: str) -> str | None:
        endpoint = self._endpoint(url)
        found = endpoint.secret if endpoint else self._settings.secret
        return found.get_secret_value() if found else None

    def _endpoint(self, url: str) -> Endpoint | None:
        return next((endpoint for endpoint in self._settings.endpoints if endpoint.url == url), None)

    def _wait(self, tries: int) -> float:
        return min(self._settings.first_wait * 2.0 ** min(tries, 20), LONGEST_WAIT) * random.uniform(0.5, 1.5)
