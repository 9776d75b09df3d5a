"""What the tests of the field's benchmarks stand on: a real orchestrator over HTTP with fakes behind it, a judge over
HTTP that answers by a rule, and the command."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from typer.testing import CliRunner, Result

from evaluation.__main__ import app as command
from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.chat import Token
from interleavethinker.codec import Message, TextPart
from services.orchestrator.app import create_app
from services.orchestrator.settings import OrchestratorSettings
from tests.fakes import FakeCritic, FakeGenerator, FakePlanner, revise, steps_of
from tests.generator_stack import serving
from tests.servers.openai_server import OpenAIServer

JUDGE = "judge-1"


class Service:
    """A service whose plans have two steps, and whose critic refuses the first drawing that it sees."""

    def __init__(self, home: Path, *prompts: str | None, broken: Sequence[str] = ()) -> None:
        blobs = DirectoryBlobs(home / "blobs")
        self.planner = FakePlanner(steps_of(*(prompts or ("a hill", "a snowman"))))
        self.critic = FakeCritic((revise("a green hill"),))
        self.generator = FakeGenerator(blobs, broken=broken)
        self._app = create_app(
            OrchestratorSettings(journal=f"sqlite:///{home}/journal.db"),
            planner=self.planner, critic=self.critic, generator=self.generator, blobs=blobs,
        )  # fmt: skip
        self.url = ""

    @contextmanager
    def serving(self) -> Iterator[Service]:
        with serving(self._app) as self.url:
            yield self

    @property
    def drawn(self) -> list[str]:
        return [job.prompt for job in self.generator.asked]


class Rule:
    """A chat that answers by a rule on the words of the question, and how many pictures came with them."""

    model = JUDGE
    supports_prefix = False

    def __init__(self, rule: Callable[[str, int], Any]) -> None:
        self._rule = rule
        self.asked: list[tuple[str, int]] = []

    async def stream(self, messages: Sequence[Message[bytes]], **_: Any) -> AsyncGenerator[Token, None]:
        parts = [part for message in messages for part in message.parts]
        words = "\n".join(part.text for part in parts if isinstance(part, TextPart))
        self.asked.append((words, sum(not isinstance(part, TextPart) for part in parts)))
        answer = self._rule(*self.asked[-1])
        yield Token(answer if isinstance(answer, str) else f"```json\n{json.dumps(answer)}\n```", None)


@contextmanager
def judging(rule: Callable[[str, int], Any]) -> Iterator[tuple[Rule, tuple[str, ...]]]:
    """The judge, and the options that name it."""
    chat = Rule(rule)
    with OpenAIServer(chat, flavour="plain").serving() as server:
        yield chat, ("--judge-url", server.url, "--judge-model", JUDGE)


def run(bench: str, source: Path, service: Service | str, out: Path, *more: str) -> Result:
    url = service if isinstance(service, str) else service.url
    return CliRunner().invoke(
        command, [bench, "--input", str(source), "--api", url, "--out", str(out), *more], catch_exceptions=False
    )


def report(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text())


def values(out: Path, row: str) -> dict[str, float]:
    return {name: metric["value"] for name, metric in report(out)["rows"][row].items()}


def paint(path: Path, color: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), color).save(path)
    return path


def put(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path
