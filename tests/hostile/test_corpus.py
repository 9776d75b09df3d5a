"""Hundreds of hostile requests: each is answered with a problem that says so, none with an error of ours, and nothing
of them is kept."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import httpx2

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.http import PROBLEM_JSON
from services.orchestrator.settings import ImageLimits
from tests.doors import SNOWMAN, WAIT, key, opened
from tests.hostile import requests
from tests.hostile.requests import Hostile

LIMITS = ImageLimits(count=16, bytes=100_000, pixels=10_000)
LINKS = {"secret": "a secret of thirty-two characters"}


def kept(path: Path) -> tuple[int, ...]:
    """Rows of each table, and files in the image store."""
    with sqlite3.connect(path / "journal.db") as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        rows = [db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables]
    return (*rows, sum(file.is_file() for file in (path / "blobs").rglob("*")))


async def answered(
    path: Path, client: httpx2.AsyncClient, corpus: Iterable[Hostile], bears: dict[str, str]
) -> list[str]:
    """What was answered otherwise than it should, and what was kept."""
    found, before, count = [], kept(path), 0
    for hostile in corpus:
        count += 1
        headers = [*((name.encode(), value.encode()) for name, value in bears.items()), *hostile.headers]
        url = client.base_url.copy_with(raw_path=quote(hostile.path, safe="/%?=&;:'{}*+,").encode())
        async with asyncio.timeout(60):
            response = await client.request(hostile.method, url, content=hostile.content, headers=headers)
        right = response.status_code == hostile.status if hostile.status else 400 <= response.status_code < 500
        if not right or response.headers["content-type"] != PROBLEM_JSON or "\n" in response.headers["x-request-id"]:
            found.append(f"{hostile.name}: {response.status_code} {response.text[:200]}")
        elif not {"type", "title", "status", "detail", "code"} <= response.json().keys():
            found.append(f"{hostile.name}: no problem {response.text[:200]}")
        elif len(response.content) > 20_000:
            found.append(f"{hostile.name}: an answer of {len(response.content)} bytes")
        if (after := kept(path)) != before:
            found.append(f"{hostile.name}: kept {before} -> {after}")
            before = after
    assert count > 20, "the corpus has moved"
    return found


async def test_values(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, images=LIMITS) as (_, client):
        assert await answered(tmp_path, client, requests.values(), {}) == []


async def test_bodies(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, images=LIMITS) as (_, client):
        assert await answered(tmp_path, client, requests.bodies(), {}) == []


async def test_pictures(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, images=LIMITS) as (_, client):
        assert await answered(tmp_path, client, requests.pictures(), {}) == []


async def test_places(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, "a hill", auth="keys", images=LIMITS) as (_, client):
        ours, theirs = await key(tmp_path, "ours"), await key(tmp_path, "theirs")
        run = (await client.post("/interleave", json=SNOWMAN, headers=ours | WAIT)).json()
        other = (await client.post("/interleave", json=SNOWMAN | {"seed": 9}, headers=theirs | WAIT)).json()
        corpus = requests.places(run["id"], next(iter(other["images"])))
        assert await answered(tmp_path, client, corpus, ours) == []


async def test_strangers(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, "a hill", auth="keys", links=LINKS) as (_, client):
        ours = await key(tmp_path, "ours")
        run = (await client.post("/interleave", json=SNOWMAN, headers=ours | WAIT)).json()
        assert await answered(tmp_path, client, requests.strangers(run["id"]), {}) == []


async def test_wishes(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, "a hill", images=LIMITS) as (_, client):
        run = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
        assert await answered(tmp_path, client, requests.wishes(run["id"]), {}) == []


def test_there_are_at_least_two_hundred_of_them():
    corpora = [
        requests.values(),
        requests.bodies(),
        requests.pictures(),
        requests.places("r", "0" * 64),
        requests.strangers("r"),
        requests.wishes("r"),
    ]
    assert sum(len(list(corpus)) for corpus in corpora) >= 200
