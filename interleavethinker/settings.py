"""Settings by section: the environment, then a profile, then the model's defaults.

Each service asks for its own section with its own pydantic model (`load_section("planner", PlannerSettings)`), so this
module knows the sections' names and nothing of what stands in them. A name that nobody reads is an error that says the
nearest right one: a typing mistake must not silently leave a default in force.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails, from_json

from interleavethinker.errors import BadSettings

PREFIX = "INTERLEAVETHINKER_"
SECTIONS = (
    "planner",
    "critic",
    "generator",
    "generators",
    "orchestrator",
    "blobs",
    "redis",
    "internal",
    "log",
    "training",
)
TOP_LEVEL = ("PROFILE", "HOME", "API_KEY", "URL")
FOREIGN = {"REDIS_URL": ("redis", "url")}
"""Names that other programs gave to settings of ours; honoured, but weaker than our own name for the same thing."""

_PROFILES = Path(__file__).parent / "profiles"
_REPOSITORY = Path(__file__).parents[1]

_SECRET = re.compile(r"key|secret|token|password|header", re.IGNORECASE)
"""Fields whose values are never shown, not even wrong ones."""

NO_PRESET = "none"
"""Takes the preset of a weaker source back."""

T = TypeVar("T", bound=BaseModel)


class BlobSettings(BaseModel):
    """Where images live: a directory, a `file://` URL of one, or `s3://bucket/prefix`. All services of a stack share
    it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str = Field(default_factory=lambda: str(state_dir() / "blobs"))


class RedisSettings(BaseModel):
    """The queue's Redis. None: the generator service starts an embedded one."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str | None = None


class InternalSettings(BaseModel):
    """How the services know each other. Every service of a stack reads the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="planner, critic and generator answer only calls that bear it; None: whoever reaches them",
    )


def state_dir() -> Path:
    """Where this machine keeps journals, images and sockets: INTERLEAVETHINKER_HOME, else `var`. Not created here."""
    return Path(os.environ.get(f"{PREFIX}HOME") or "var")


def find_path(path: str | Path) -> Path:
    """A relative path means the one under the working directory, else (where only that exists) the repository's."""
    path = Path(path).expanduser()
    beside_code = _REPOSITORY / path
    return beside_code if not path.exists() and beside_code.exists() else path


def load_section(name: str, model: type[T]) -> T:
    """Build one section from, strongest first: `INTERLEAVETHINKER_<SECTION>__<FIELD>` (nested fields: more `__`), the
    profile's `[section]` table, the model's defaults. Empty variables count as unset; lists and tables are JSON.

    A field `preset` names a set of values that the section's class fills in. It begins anew: of the class's
    `PRESET_FIELDS`, only what stands beside the preset or in a stronger source is laid over it.

    Raises BadSettings for unknown names, values that do not fit, and a profile that cannot be found.
    """
    values: dict[str, Any] = {}
    origins: dict[tuple[str, ...], str] = {}
    for source in (_profile(), *_environment()):
        for section, table in source.tree.items():
            if section not in SECTIONS or not isinstance(table, dict):
                raise BadSettings(source.unknown((section,), (*SECTIONS, *map(str.lower, TOP_LEVEL))))
        table = source.tree.get(name, {})
        if table.get("preset", NO_PRESET) != NO_PRESET:
            for field in getattr(model, "PRESET_FIELDS", ()):
                values.pop(field, None)
        _lay(source, table, model, values, (name,), origins)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise BadSettings("; ".join(_explain(name, found, origins) for found in error.errors())) from error


def said(section: str, field: str) -> Any:
    """What the environment or the profile says of one field, unchecked; None where neither does.

    For whoever starts a service without importing it. The service checks its own section (`load_section`).
    """
    found = None
    for source in (_profile(), *_environment()):
        found = source.tree.get(section, {}).get(field, found)
    return found


def said_tables(section: str) -> dict[str, dict[str, Any]]:
    """What the environment and the profile say under a section whose tables have names of the deployer's own:
    `[section.name]`, or `INTERLEAVETHINKER_<SECTION>__<NAME>__<FIELD>`. Unchecked but for being tables."""
    found: dict[str, Any] = {}
    for source in (_profile(), *_environment()):
        for name, table in source.tree.get(section, {}).items():
            if not isinstance(table, dict):
                raise BadSettings(f"{source.origin}: {section}.{name} is no table; write {section}.{name}.<field>")
            found[name] = _over(found.get(name, {}), table)
    return found


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for name, value in above.items():
        inner = found.get(name)
        found[name] = _over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return found


class _Source(NamedTuple):
    """Where values come from, a profile or one variable, and the values as `{section: {field: value}}`."""

    origin: str
    tree: dict[str, Any]

    def unknown(self, path: tuple[str, ...], known: Collection[str]) -> str:
        """Says that `path` is no setting, and which one was probably meant."""
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
        of_environment = self.origin.startswith(PREFIX)
        if not near:
            hint = f"known are {', '.join(known)}"
        elif of_environment:
            field = "__<FIELD>" if near[0] in SECTIONS and len(path) == 1 else ""
            hint = f"did you mean {PREFIX}{'__'.join((*path[:-1], *near)).upper()}{field}?"
        else:
            hint = f"did you mean {near[0]!r}?"
        what = self.origin if of_environment else f"{'.'.join(path)!r} in {self.origin}"
        return f"{what} is not a setting: {hint}"


def _profile() -> _Source:
    chosen = os.environ.get(f"{PREFIX}PROFILE") or "cpu"
    shipped = sorted(path.stem for path in _PROFILES.glob("*.toml"))
    path = _PROFILES / f"{chosen}.toml" if chosen in shipped else Path(chosen)
    if not path.is_file():
        raise BadSettings(f"{PREFIX}PROFILE is {chosen!r}: write {', '.join(shipped)}, or the path of a .toml file")
    try:
        return _Source(str(path), tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"the profile {path} is not TOML: {error}") from error


def _environment() -> Iterator[_Source]:
    """One source for each variable that is set and not empty, the weaker ones first: presets before what is laid over
    them."""
    for variable, path in FOREIGN.items():
        if text := os.environ.get(variable):
            yield _Source(variable, _branch(path, text))
    for variable, text in sorted(os.environ.items(), key=lambda item: (not item[0].endswith("__PRESET"), item[0])):
        name = variable.removeprefix(PREFIX)
        if text and variable != name and name not in TOP_LEVEL:
            yield _Source(variable, _branch(name.lower().split("__"), _read(variable, text)))


def _branch(path: Sequence[str], value: Any) -> dict[str, Any]:
    first, *rest = path
    return {first: _branch(rest, value) if rest else value}


def _read(variable: str, text: str) -> Any:
    """Plain text stays as it is, for the section's model to convert."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return from_json(text)
    except ValueError as error:
        raise BadSettings(f"{variable} begins like JSON but cannot be read: {error}") from error


def _lay(
    source: _Source,
    table: dict[str, Any],
    model: type[BaseModel],
    onto: dict[str, Any],
    at: tuple[str, ...],
    origins: dict[tuple[str, ...], str],
) -> None:
    """Lay the source's table over the values so far, nested sections field by field, noting where each came from."""
    for field, value in table.items():
        path = (*at, field)
        if field not in model.model_fields:
            raise BadSettings(source.unknown(path, model.model_fields))
        inner = model.model_fields[field].annotation
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, BaseModel):
            onto[field] = dict(onto.get(field, {}))
            _lay(source, value, inner, onto[field], path, origins)
        else:
            onto[field] = value
            origins[path] = source.origin


def _explain(section: str, found: ErrorDetails, origins: dict[tuple[str, ...], str]) -> str:
    path = (section, *map(str, found["loc"]))
    origin = next((origins[path[:n]] for n in range(len(path), 0, -1) if path[:n] in origins), "the defaults")
    got = "got something" if _SECRET.search(path[-1]) else f"got {found['input']!r}"
    return f"{'.'.join(path)}: {found['msg']} ({got} from {origin})"
