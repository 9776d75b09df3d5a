"""The generators that this installation offers, by name: a request may ask for one, and its run is drawn by that one.

Each is a service of its own, with its own queue, patience and breaker: one that is away is waited for by the runs that
asked for it (each holds its place among `runs_at_once`, as with any service), and its calls fail fast for no other. A
job's id does not name its generator: the records of two services never meet. Deliberately not here: what a generator is
(interleavethinker/ports.py), and how one is reached (interleavethinker/clients/generator.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from interleavethinker.errors import BadRequest, DrawFailed
from interleavethinker.ports import Generator, Previews
from interleavethinker.types import Drawing, ImageJob
from services.orchestrator.settings import OrchestratorSettings


def generator_names(settings: OrchestratorSettings) -> list[str]:
    """What may be asked for by name, the default one first."""
    return [settings.generator_name, *sorted(settings.generators)]


class Generators:
    """`default` draws for requests that name none."""

    def __init__(
        self, default: Generator, named: Mapping[str, Generator] | None = None, *, default_name: str = "default"
    ) -> None:
        self.default_name = default_name
        self._offered = {default_name: default, **(named or {})}

    @property
    def names(self) -> list[str]:
        """The default one first."""
        return [self.default_name, *sorted(name for name in self._offered if name != self.default_name)]

    def check(self, name: str | None) -> None:
        """Raises BadRequest for a name that is not offered; it says which ones are."""
        if name is not None and name not in self._offered:
            raise BadRequest(f"generator: there is no {name!r}; there are {', '.join(self.names)}", known=self.names)

    def showing(self, name: str | None) -> Previews | None:
        """The same generator, where it shows its drawings while it draws them."""
        generator = self.named(name)[1]
        return generator if isinstance(generator, Previews) else None

    def named(self, name: str | None) -> tuple[str, Generator]:
        """The generator and its name. One that was offered when the run began and is not any more draws nothing."""
        name = name or self.default_name
        return name, self._offered.get(name) or _Withdrawn(name, self.names)


class _Withdrawn:
    """Stands where a generator stood, so that the run ends in words and keeps what it has."""

    def __init__(self, name: str, offered: Sequence[str]) -> None:
        self._words = f"the generator {name!r} is not offered any more; there are {', '.join(offered)}: branch the run"

    async def draw(self, job: ImageJob) -> Drawing:
        raise DrawFailed(self._words, job_id=job.id)

    async def foresee(self, job: ImageJob) -> None:
        """Nothing to foresee."""

    async def forget(self, job: ImageJob) -> None:
        """Nothing to forget."""
