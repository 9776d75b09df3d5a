"""A little load and a short soak (`make load` and `make soak` do the real ones), and how these are judged."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bench import fairness, judged, load, soak
from bench.fairness import Begun

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.redis
def test_a_short_soak_leaves_nothing_behind(tmp_path: Path):
    shape = soak.Shape(seconds=8, every=0.5, look=1, warm=2, record=5, pace=0.25, looks=1)
    found = soak.run(tmp_path, shape, postgres=False)
    assert found["problems"] == []
    assert found["runs"]["runs"] > 3 and found["calls"] and len(found["callers"]) > 3
    assert found["redis"]["most"]["generator:job"] > 0 and found["redis"]["unexplained"] == []
    assert all(row["flat"] is None for row in found["memory"].values()), "too short to say"


@pytest.mark.slow
@pytest.mark.redis
def test_a_small_load_loses_nothing(tmp_path: Path):
    shape = load.SHAPES["queue"]._replace(documents=10, at_once=2, look=2.0)
    found = load.standing_in(tmp_path, shape, postgres=False)
    assert found["problems"] == []
    assert found["runs"]["statuses"] == {"succeeded": 10} and found["most_under_way"] <= 2
    assert {"POST", "POST, streaming", "events"} <= found["calls"].keys()


def samples(sizes: list[float], every: float) -> list[dict[str, Any]]:
    return [{"at": at * every, "parts": {"one": {"rss": size * 2**20}}} for at, size in enumerate(sizes)]


def test_a_leak_shows_and_a_first_rise_does_not():
    flat = [100 + min(at, 40) + at % 2 for at in range(180)]
    leak = [100 + 0.1 * at for at in range(180)]
    assert judged.memory(samples(flat, 10), "one")["flat"] is True
    assert judged.memory(samples(leak, 10), "one")["flat"] is False
    assert judged.memory(samples(leak, 10), "one")["slope_mb_per_hour"] == pytest.approx(36, abs=0.1)
    assert judged.memory(samples(leak, 1), "one")["flat"] is None, "a minute and a half is too short"


def test_what_is_left_open_shows():
    def sample(**parts: tuple[int, int, int]) -> dict[str, Any]:
        kinds = ("files", "threads", "tasks")
        return {"parts": {name: dict(zip(kinds, numbers, strict=True)) for name, numbers in parts.items()}}

    before = sample(one=(20, 3, 7), two=(20, 3, 7), three=(20, 3, 7))
    found = judged.left_open(before, sample(one=(22, 5, 7), two=(20, 3, 30)))
    assert {name: row["ok"] for name, row in found.items()} == {"one": True, "two": False, "three": False}


def test_keys_that_stay_are_told_from_those_of_a_living_worker():
    keys = {"generator:workers": -1.0, "generator:worker:vm-1": 4.0, "generator:_kombu.binding.queue-1-normal": -1.0}
    assert judged.keys_left(keys)["unexplained"] == []
    assert judged.keys_left(keys | {"generator:job:ab": -1.0})["unexplained"] == ["generator:job:ab"]


def begun(order: str) -> list[Begun]:
    """Runs of tenants a, b, ... that were all posted before the first began, in this order of starts."""
    posted, numbers = datetime(2026, 1, 1, tzinfo=UTC), dict[str, int]()
    found = []
    for place, tenant in enumerate(order, 1):
        numbers[tenant] = numbers.get(tenant, 0) + 1
        number = ord(tenant) * 1000 + numbers[tenant]
        found.append(Begun(number, tenant, posted, posted + timedelta(seconds=place), posted + timedelta(hours=1)))
    return found


def test_turns_are_fair_and_first_come_first_served_is_not():
    turns = fairness.judge(begun("abcabcababaaaaaa"), slots=2)
    assert turns["ok"] and turns["gap"] == 1 and turns["judged"] == 16
    assert fairness.judge(begun("baabcabcabaaaa"), slots=3)["gap"] == 2, "two of the first three were one tenant's"
    assert not fairness.judge(begun("aaaaaaabbbc"), slots=2)["ok"]
    assert fairness.judge(begun("aaaaaaabbbc"), slots=11)["ok"], "there was room for all: nobody waited"


def test_a_tenants_own_runs_begin_in_the_order_of_posting():
    runs = begun("aaaaaaaa")
    late = [*runs[1:], runs[0]._replace(began=runs[-1].began + timedelta(seconds=1))]
    assert fairness.judge(late, slots=2)["overtaken"] == 7 and not fairness.judge(late, slots=2)["ok"]
    assert fairness.judge(late[:2] + late[-1:] + late[2:-1], slots=3)["overtaken"] == 0, "they began in one moment"


def test_the_report_says_what_was_measured():
    report = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    soaked = json.loads(soak.RESULTS.read_text(encoding="utf-8"))
    callers, statuses = sum(soaked["callers"].values()), soaked["runs"]["statuses"]
    assert f"{callers} callers, {soaked['runs']['runs']} runs: {statuses['succeeded']} succeeded" in report
    assert soaked["ok"] or "were not flat by the tolerance" in report
    loaded = json.loads(load.RESULTS.read_text(encoding="utf-8"))
    posts = " | ".join(
        f"{loaded[trial]['calls']['POST'][percent]:.2f}" for trial in load.TRIALS for percent in ("p50", "p95", "p99")
    )
    assert f"| POST | {posts} |" in report
    assert all(loaded[trial]["runs"]["statuses"] == {"succeeded": loaded[trial]["posted"]} for trial in load.TRIALS)
