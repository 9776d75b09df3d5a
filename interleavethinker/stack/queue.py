"""`python -m interleavethinker.stack.queue`: an embedded Redis for as long as this process lives; prints its URL.

A process of its own, so that Redis ends with the stack even when the stack is killed (`tether`).
"""

from __future__ import annotations

import signal
import sys
import time

import redis

from interleavethinker.errors import InterleaveError
from interleavethinker.redis_server import redis_server
from interleavethinker.settings import RedisSettings


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with redis_server(RedisSettings()) as url, redis.Redis.from_url(url) as client:
        print(url, flush=True)
        while client.ping():  # raises when Redis is gone, and the stack learns of it by this process's end
            time.sleep(1)


if __name__ == "__main__":
    try:
        main()
    except (InterleaveError, redis.RedisError) as error:
        sys.exit(f"the embedded Redis: {error}")
