"""Settings: the order of their sources, and that a mistake is told with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from interleavethinker.blobs import open_blobs
from interleavethinker.errors import BadSettings
from interleavethinker.settings import BlobSettings, RedisSettings, find_path, load_section, state_dir


class Sampling(BaseModel):
    temperature: float = 0.0
    stop: tuple[str, ...] = ()


class Planner(BaseModel):
    backend: str = "default"
    model: str = "default"
    pack: str = "default"
    port: int = 1
    api_key: str | None = None
    threads: int | None = None
    sampling: Sampling = Sampling()


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text('[planner]\nmodel = "profile"\nport = 2\n[planner.sampling]\ntemperature = 0.5\nstop = ["."]\n')
    monkeypatch.setenv("INTERLEAVETHINKER_PROFILE", str(path))
    return path


@pytest.mark.usefixtures("profile")
def test_environment_then_profile_then_defaults(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTERLEAVETHINKER_PLANNER__PORT", "3")
    monkeypatch.setenv("INTERLEAVETHINKER_PLANNER__SAMPLING__TEMPERATURE", "0.7")
    monkeypatch.setenv("INTERLEAVETHINKER_PLANNER__MODEL", "")
    assert load_section("planner", Planner) == Planner(
        backend="default", model="profile", port=3, sampling=Sampling(temperature=0.7, stop=(".",))
    )


@pytest.mark.usefixtures("profile")
def test_lists_and_tables_are_json(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTERLEAVETHINKER_PLANNER__SAMPLING", '{"stop": ["a", "b"]}')
    assert load_section("planner", Planner).sampling == Sampling(temperature=0.5, stop=("a", "b"))


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("PLANNER__PROT", "3", "did you mean INTERLEAVETHINKER_PLANNER__PORT?"),
        ("PLANER__PORT", "3", "did you mean INTERLEAVETHINKER_PLANNER__<FIELD>?"),
        ("PLANNER", "3", "did you mean INTERLEAVETHINKER_PLANNER__<FIELD>?"),
        ("PROFIL", "gpu", "did you mean INTERLEAVETHINKER_PROFILE?"),
        ("PLANNER__SAMPLING__TEMPRATURE", "1", "did you mean INTERLEAVETHINKER_PLANNER__SAMPLING__TEMPERATURE?"),
        ("QUX__X", "1", "known are planner, critic"),
        ("PLANNER__PORT", "many", "planner.port: Input should be a valid integer"),
        ("PLANNER__PORT", "many", "(got 'many' from INTERLEAVETHINKER_PLANNER__PORT)"),
        ("PLANNER__PORT__X", "1", "planner.port: Input should be a valid integer"),
        ("PLANNER__SAMPLING", "[1, 2", "begins like JSON but cannot be read"),
        ("PROFILE", "gup", "write cpu, gpu, hosted, or the path of a .toml file"),
    ],
)
def test_a_mistake_is_told_with_its_remedy(variable: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTERLEAVETHINKER_" + variable, value)
    with pytest.raises(BadSettings) as error:
        load_section("planner", Planner)
    assert told in error.value.detail


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[planner]\nprot = 3", "'planner.prot' in"),
        ("[planner]\nprot = 3", "did you mean 'port'?"),
        ("[planer]\nport = 3", "did you mean 'planner'?"),
        ("[planner", "is not TOML"),
    ],
)
def test_a_mistake_in_a_profile_is_told_too(profile: Path, text: str, told: str):
    profile.write_text(text)
    with pytest.raises(BadSettings) as error:
        load_section("planner", Planner)
    assert told in error.value.detail
    assert str(profile) in error.value.detail


def test_redis_url_is_honoured_but_weaker_than_our_own_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert load_section("redis", RedisSettings).url is None
    monkeypatch.setenv("REDIS_URL", "redis://theirs")
    assert load_section("redis", RedisSettings).url == "redis://theirs"
    monkeypatch.setenv("INTERLEAVETHINKER_REDIS__URL", "redis://ours")
    assert load_section("redis", RedisSettings).url == "redis://ours"


def test_state_lives_where_home_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTERLEAVETHINKER_HOME", "/data")
    assert state_dir() == Path("/data")
    assert load_section("blobs", BlobSettings).url == "/data/blobs"
    monkeypatch.delenv("INTERLEAVETHINKER_HOME")
    assert state_dir() == Path("var")


def test_a_relative_path_is_the_working_directory_s_else_the_repository_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert find_path("pyproject.toml").is_absolute()
    assert find_path("nowhere") == Path("nowhere")
    Path("pyproject.toml").touch()
    assert find_path("pyproject.toml") == Path("pyproject.toml")


@pytest.mark.parametrize("url", ["ftp://bucket/blobs", "file://elsewhere/blobs"])
def test_a_store_that_cannot_be_opened_says_what_to_write(url: str):
    with pytest.raises(BadSettings, match="write a directory"):
        open_blobs(BlobSettings(url=url))
