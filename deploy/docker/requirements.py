"""`python deploy/docker/requirements.py [EXTRA ...]`: what the project and these extras need, one requirement a line.

For layers of an image that change only when `pyproject.toml` does. With `--locked` each is followed by the versions of
everything that comes with it, as installed in the environment that runs this: `make constraints` writes those.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
NOT_LOCKED = ("torch", "vllm")
"""Chosen by the image: the CPU's build and CUDA's have different versions."""


def required(extras: Iterable[str]) -> list[str]:
    """The requirements of the project with these extras."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    wanted = list(project["dependencies"])
    for line in (line for extra in extras for line in project["optional-dependencies"][extra]):
        own = Requirement(line)
        wanted += required(own.extras) if own.name == project["name"] else [line]  # an extra may contain another one
    return list(dict.fromkeys(wanted))


def locked(lines: Iterable[str]) -> dict[str, str]:
    """Name and installed version of each requirement, and of what these require in turn. Raises SystemExit for one that
    is not installed here."""
    found: dict[str, str] = {}
    waiting = [(Requirement(line), "") for line in lines]
    while waiting:
        wanted, extra = waiting.pop()
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(wanted.name)
        try:
            installed = distribution(wanted.name)
        except PackageNotFoundError:
            raise SystemExit(f"{wanted.name} is not installed here: `make setup` first") from None
        first = name not in found
        found[name] = installed.version
        for each in ("", *wanted.extras):
            if first or each:
                waiting += [(Requirement(line), each) for line in installed.requires or ()]
    return {name: version.partition("+")[0] for name, version in sorted(found.items()) if name not in NOT_LOCKED}


def main() -> None:
    lock, extras = "--locked" in sys.argv, [word for word in sys.argv[1:] if not word.startswith("-")]
    lines = required(extras)
    print("\n".join(f"{name}=={version}" for name, version in locked(lines).items()) if lock else "\n".join(lines))


if __name__ == "__main__":
    main()
