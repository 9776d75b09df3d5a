"""The orchestrator service: builds the app, opens what it stands on, and takes up whatever waits in the journal.

Any number of replicas work on one Postgres journal; a SQLite one is for the processes of one machine. Deliberately not
here: the routes (`api`) and the algorithm (`loop`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from fastapi import Depends, FastAPI
from starlette.middleware import Middleware

from interleavethinker.blobs import open_blobs
from interleavethinker.clients.base import ServiceClient
from interleavethinker.clients.critic import CriticClient
from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.clients.planner import PlannerClient
from interleavethinker.fetching import PictureFetch
from interleavethinker.ports import Blobs, ContentFilter, Critic, Generator, Planner
from interleavethinker.settings import BlobSettings, InternalSettings, load_section
from services.anatomy import service_app
from services.orchestrator import api, arranging, editing, exporting, sharing, showing
from services.orchestrator.access import BEARER, Gate, own_run
from services.orchestrator.answers import House
from services.orchestrator.body import BodyLimit
from services.orchestrator.doors.responses import routes as responses
from services.orchestrator.doors.responses.errors import OpenAIErrors
from services.orchestrator.drift_meter import DriftMeter
from services.orchestrator.following import Turns
from services.orchestrator.generators import Generators
from services.orchestrator.journal import Journal
from services.orchestrator.keys import Keys
from services.orchestrator.links import Signer
from services.orchestrator.offers import router as offers_router
from services.orchestrator.page_files import router as page_router
from services.orchestrator.rates import Rates
from services.orchestrator.runs import Runs
from services.orchestrator.screening import Guards, open_filter
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.shares import Shares
from services.orchestrator.thumbnails import Thumbnails
from services.orchestrator.tokens import Tokens
from services.orchestrator.webhooks import Webhooks

log = structlog.get_logger(__name__)

CALL_PATIENCE = 3.0
"""Seconds for which one call is tried again: a blip. Longer absences are the run's to wait for (`patience`)."""


def create_app(
    settings: OrchestratorSettings | None = None,
    *,
    planner: Planner | None = None,
    critic: Critic | None = None,
    generator: Generator | Generators | None = None,
    blobs: Blobs | None = None,
    content: ContentFilter | None = None,
) -> FastAPI:
    """The service, ready to be served. A port that is not given is the client of the URL in the settings.

    Readiness asks for the default generator; further ones may be away, and only runs that ask for them wait."""
    settings = settings or load_section("orchestrator", OrchestratorSettings)
    internal = load_section("internal", InternalSettings).token
    token = internal.get_secret_value() if internal else None
    planner = planner or PlannerClient(settings.planner_url, patience=CALL_PATIENCE, token=token)
    critic = critic or CriticClient(settings.critic_url, patience=CALL_PATIENCE, token=token)
    if generator is None:
        generator = GeneratorClient(settings.generator_url, patience=CALL_PATIENCE, token=token)
    named = {
        name: GeneratorClient(url, patience=CALL_PATIENCE, token=token) for name, url in settings.generators.items()
    }
    generators = (
        generator
        if isinstance(generator, Generators)
        else Generators(generator, named, default_name=settings.generator_name)
    )
    blobs = blobs or open_blobs(load_section("blobs", BlobSettings))
    clients = {
        name: port
        for name, port in {"planner": planner, "critic": critic, "generator": generator}.items()
        if isinstance(port, ServiceClient)
    }
    journal = Journal(settings.journal)
    shares = Shares(journal.engine)
    rates = Rates(settings.rates)
    guards = Guards(content or open_filter(settings.filter), blobs=blobs, rates=rates)
    keys = Keys(settings.journal) if settings.auth != "off" else None
    tokens = Tokens(settings.oidc) if settings.auth == "oidc" else None
    secret = settings.links.secret if settings.auth != "off" else None
    signer = Signer(secret.get_secret_value(), settings.links.seconds) if secret else None
    doors = tuple(each for each in (keys, tokens) if each)

    async def ready() -> list[str]:
        answers = await asyncio.gather(journal.ready(), *(client.ready() for client in clients.values()))
        named = zip(("journal", *clients), answers, strict=True)
        return [f"{name}: {problem}" for name, problems in named for problem in problems]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(journal)
            if keys:
                await stack.enter_async_context(keys)
            if tokens:
                stack.push_async_callback(tokens.close)
            for client in (*clients.values(), *named.values()):
                stack.push_async_callback(client.close)
            meter = await stack.enter_async_context(DriftMeter(journal.document, blobs))
            runs = Runs(
                journal,
                planner=planner,
                critic=critic,
                generator=generators,
                at_once=settings.runs_at_once,
                reach=settings.reach,
                lease_seconds=settings.lease_seconds,
                patience=settings.patience_seconds,
                max_losses=settings.max_losses,
                guards=guards,
                at_once_per_owner=settings.runs_at_once_per_owner,
                queued_per_owner=settings.queued_per_owner,
                ended=meter.ended,
            )
            stack.push_async_callback(runs.close)
            webhooks = await stack.enter_async_context(Webhooks(journal.outbox, settings.webhooks))
            app.state.exporter = exporting.Exporter(settings.exports_at_once)
            stack.callback(app.state.exporter.close)
            fetch = PictureFetch(settings.references)
            app.state.house = House(
                settings,
                journal,
                runs,
                blobs,
                webhooks,
                signer,
                fetch,
                guards,
                shares,
                turns=Turns(journal, settings.runs_at_once),
                thumbnails=Thumbnails(blobs),
                since=int(time.time()),
            )
            runs.open()
            log.info("looking for runs", replica=runs.replica)
            yield

    app = service_app(
        "orchestrator",
        ready=ready,
        lifespan=lifespan,
        title="InterleaveThinker",
        description="Illustrated documents: planned, drawn, judged and redrawn.",
        door=[Middleware(Gate, doors=doors, signer=signer, rates=rates, shares=shares)],
    )
    app.add_middleware(BodyLimit, most=65_536 + settings.images.count * settings.images.bytes * 4 // 3)
    bears = [BEARER] if doors else []
    for router in (api.router, editing.router, arranging.router, sharing.router, exporting.router, showing.router):
        app.include_router(router, dependencies=[Depends(own_run), *bears])
    app.include_router(responses.router, dependencies=[responses.OWN, *bears])
    app.include_router(offers_router, dependencies=bears)
    app.include_router(page_router)
    app.add_middleware(OpenAIErrors)
    return app
