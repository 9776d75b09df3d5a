"""`python -m services.generator_service` serves the API, `... worker` draws; both find the same Redis and images.
`... presets` prints the table of image models that have a name, as docs/models.md has it."""

from __future__ import annotations

import argparse
import signal
import sys

from interleavethinker import tracing
from interleavethinker.blobs import open_blobs
from interleavethinker.errors import InterleaveError
from interleavethinker.redis_server import redis_server
from interleavethinker.settings import BlobSettings, RedisSettings, load_section
from interleavethinker.telemetry import configure_logging
from services.generator_service.presets.table import table
from services.generator_service.settings import GeneratorSettings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m services.generator_service", description=__doc__)
    parser.add_argument("role", nargs="?", choices=("api", "worker", "presets"), default="api")
    role = parser.parse_args().role
    if role == "presets":
        print(table())
        return
    # An orderly exit, also where uvicorn passes the signal on: the embedded Redis must be stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = load_section("generator", GeneratorSettings)
    blobs = open_blobs(load_section("blobs", BlobSettings))
    with redis_server(load_section("redis", RedisSettings)) as redis_url:
        if role == "worker":
            from services.generator_service.worker import work  # torch is only wanted here

            configure_logging("generator_worker")
            tracing.configure("generator_worker")
            work(settings, redis_url, blobs)
        else:
            from services.anatomy import serve
            from services.generator_service.app import build_app

            serve(build_app(settings, redis_url, blobs), settings.host, settings.port)


if __name__ == "__main__":
    try:
        main()
    except InterleaveError as error:
        sys.exit(f"{error.code}: {error.detail}")
