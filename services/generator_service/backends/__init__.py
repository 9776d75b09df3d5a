"""Image models behind one protocol. A new one is one more file here with `open_backend(settings)`, chosen by name."""

from __future__ import annotations

import importlib
import pkgutil

from interleavethinker.errors import BadSettings
from services.generator_service.backends.base import Backend
from services.generator_service.settings import GeneratorSettings

PARTS = ("accelerated", "base", "shapes", "textcache", "unfinished", "way")
"""Modules here that are no backends."""


def open_backend(settings: GeneratorSettings) -> Backend:
    """The backend that the settings name: a module of this package, or any other module by its dotted path."""
    own = [module.name for module in pkgutil.iter_modules(__path__) if module.name not in PARTS]
    path = f"{__name__}.{settings.backend}" if settings.backend in own else settings.backend
    if "." not in path:
        raise BadSettings(
            f"generator.backend is {settings.backend!r}: write one of {', '.join(own)}, or a module's path"
        )
    backend: Backend = importlib.import_module(path).open_backend(settings)
    return backend
