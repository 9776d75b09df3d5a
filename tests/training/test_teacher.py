"""The real world's teacher: plans, verdicts and scores by a model at an OpenAI-style endpoint, over a generator."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.chat import Token
from interleavethinker.chat.openai import OpenAIChat
from interleavethinker.codec import CriticCodec, ImagePart, Message, PlannerCodec, load_pack
from interleavethinker.errors import BadRequest, Unavailable
from interleavethinker.types import Brief, Critique, ImageJob, Outcome, Plan, Step, Verdict
from tests.fakes import FakeGenerator
from tests.servers.openai_server import OpenAIServer
from training.data import commands, taxonomy
from training.data.check import check
from training.data.estimate import estimate
from training.data.real import Crew, real_world
from training.data.recipe import DataRecipe, Drawer, Endpoint, Making, RealWorld, Sizes
from training.data.replies import Ledger, RecordedChat
from training.data.store import read_examples
from training.data.teacher import Teacher
from training.data.tellings import tellings
from training.vlm_judge import QUALITY, VlmJudge, read_scores

PACK = load_pack("standard")
STEPS = ("a table", "add a cup", "add a plate")


class TeachingChat:
    """Implements `Chat`: plans three steps, describes what it is shown, refuses the first attempt at "add a cup", and
    scores what it refuses low. Its first answer to anything can be made junk."""

    supports_prefix = False
    model = "teacher"

    def __init__(self, junk: int = 0) -> None:
        self.asked: list[str] = []
        self.junk = junk
        self.dies_after: int | None = None

    async def stream(
        self,
        messages: Sequence[Message[bytes]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        prefix: str = "",
    ) -> AsyncGenerator[Token, None]:
        if self.dies_after is not None and len(self.asked) >= self.dies_after:
            raise Unavailable("the endpoint is away")
        system = "".join(part.text for part in messages[0].parts if not isinstance(part, ImagePart))
        said = "".join(part.text for part in messages[-1].parts if not isinstance(part, ImagePart))
        pictures = sum(isinstance(part, ImagePart) for part in messages[-1].parts)
        self.asked.append(said)
        answer = self._answer(system, said, pictures)
        if self.junk:
            self.junk -= 1
            answer = "I would rather not."
        for start in range(0, len(answer), 40):
            yield Token(answer[start : start + 40], 0.0)

    def _answer(self, system: str, said: str, pictures: int) -> str:
        if "planner" in system and not pictures:
            steps = tuple(Step(index=n, name=f"step {n}", instruction=f"Now {p}.", prompt=p)
                          for n, p in enumerate(STEPS, 1))  # fmt: skip
            return PlannerCodec(PACK).write(Plan(steps=steps, reasoning="three steps"))
        if "planner" in system:
            steps = tuple(Step(index=n, name="picture", auxiliary_text=f"seen {n}") for n in range(1, pictures + 1))
            return PlannerCodec(PACK).write(Plan(steps=steps, reasoning="a description"))
        refused = "add a cup" in said and "a big cup" not in said
        if "You judge" in system:
            verdict = Verdict(outcome=Outcome.REVISE, refined_prompt="add a cup, a big cup", reasoning="no cup")
            last = said.rpartition("Last prompt: ")[2]
            return CriticCodec(PACK).write(verdict if refused else Verdict(outcome=Outcome.ACCEPT), last)
        if "naturalness" in system:
            return '```json\n{"why": "fine", "naturalness": 9, "no_artifacts": 8.5}\n```'
        done = 4 if "add a cup" in said else 9
        return json.dumps({"why": "as asked", "edit_success": done, "no_over_editing": 10})

    async def ready(self) -> list[str]:
        return []

    async def close(self) -> None:
        pass


def recipe(blobs: Path, **sizes: int) -> DataRecipe:
    endpoint = Endpoint(model="teacher", reasks=1, price_in=1.0, price_out=2.0)
    real = RealWorld(
        teacher=endpoint, generators=(Drawer(name="strong", url="http://127.0.0.1:1"),), blobs=str(blobs),
        interleaved=0.6, side_by_side=2,
    )  # fmt: skip
    return DataRecipe(sizes={"small": Sizes(**sizes)}, making=Making(shard=3, filtered=False), real=real)


async def made(out: Path, chat: Any, blobs: DirectoryBlobs, said: DataRecipe, judge: Any = None):
    generators = [("strong", FakeGenerator(blobs)), ("weak", FakeGenerator(blobs))]
    crew = Crew(chat, judge or chat, generators, blobs)
    cards = await real_world(out, said, said.sizes["small"], crew, lambda line: None)
    return {card.kind: card for card in cards}, generators


async def test_the_sets_of_the_real_world(tmp_path: Path, blobs: DirectoryBlobs):
    chat = TeachingChat()
    cards, _ = await made(tmp_path / "out", chat, blobs, recipe(blobs.path, planner=8, critic=6, rl=2))
    assert {kind: card.rows for kind, card in cards.items()} == {"planner": 8, "critic": 6, "rl": 2}
    assert check(tmp_path / "out", "standard").keys() == {"planner", "critic", "rl"}

    planned = list(read_examples(tmp_path / "out" / "Interleave-Planner-SFT", "planner"))
    assert {row.prompt for row in planned if row.task == "plan"} <= {each.text for each in taxonomy.requests(0)[:60]}
    assert {"plan"} < {row.task for row in planned}
    assert all(row.source.startswith("teacher:") and "/" in row.source for row in planned)

    attempts = list(read_examples(tmp_path / "out" / "work" / "attempts", "attempts"))
    one = [a for a in attempts if a.document == attempts[0].document]
    assert [(a.step, a.number, a.last_prompt) for a in one] == [
        (1, 1, "a table"), (2, 1, "add a cup"), (2, 2, "add a cup, a big cup"), (3, 1, "add a plate"),
    ]  # fmt: skip
    assert one[2].before == one[0].after  # a redraw starts from the picture before the step
    assert (one[1].scores.semantics, one[1].scores.quality, one[1].scores.success) == (4, 8.5, False)
    assert {a.generator for a in attempts} == {"strong", "weak"}
    assert cards["critic"].counts["generator"].keys() == {"strong", "weak"}
    told = next(tellings(tmp_path / "out"))
    assert [len(step.tries) for step in told.steps] == [1, 2, 1]


async def test_every_reply_is_kept_and_a_killed_run_asks_nothing_twice(tmp_path: Path, blobs: DirectoryBlobs):
    said = recipe(blobs.path, planner=4, critic=4, rl=0)
    chat = TeachingChat()
    chat.dies_after = 25
    with pytest.raises(Unavailable, match="away"):
        await made(tmp_path / "out", chat, blobs, said)
    replies = tmp_path / "out" / "raw" / "replies.jsonl"
    before = [json.loads(line) for line in replies.read_text().splitlines()]
    assert before and {"role", "model", "seed", "question", "answer", "at"} <= set(before[0])
    with replies.open("a") as file:
        file.write('{"key": "cut sho')  # a kill in the middle of a line

    again = TeachingChat()
    cards, generators = await made(tmp_path / "out", again, blobs, said)
    rows = [json.loads(line) for line in replies.read_text().splitlines()]
    assert rows[: len(before)] == before
    assert len({row["key"] for row in rows}) == len(rows) == len(before) + len(again.asked)
    drawn = [job.id for _, generator in generators for job in generator.asked]
    assert len(set(drawn)) == len(drawn)

    nobody = TeachingChat()
    nobody.dies_after = 0
    assert (await made(tmp_path / "out", nobody, blobs, said))[0] == cards


async def test_teacher_and_judge_behind_an_openai_endpoint(tmp_path: Path, blobs: DirectoryBlobs):
    with OpenAIServer(TeachingChat(junk=1), flavour="plain").serving() as server:
        chat = OpenAIChat("teacher", base_url=server.url, flavour="plain", logprobs=False)
        try:
            cards, _ = await made(tmp_path / "out", chat, blobs, recipe(blobs.path, planner=2, critic=2, rl=0))
        finally:
            await chat.close()
    assert cards["planner"].rows == 2 and cards["critic"].rows == 2
    answers = [json.loads(line) for line in (tmp_path / "out" / "raw" / "replies.jsonl").read_text().splitlines()]
    assert "I would rather not." in [row["answer"] for row in answers]  # kept, and asked again


async def test_a_document_has_fifteen_draws_at_most(tmp_path: Path, blobs: DirectoryBlobs):
    class NeverSatisfied(TeachingChat):
        def _answer(self, system: str, said: str, pictures: int) -> str:
            if "You judge" in system and "Last prompt: " in said:
                last = said.rpartition("Last prompt: ")[2]
                refused = not last.endswith("!!!!")
                verdict = Verdict(outcome=Outcome.REVISE, refined_prompt=f"{last}!", reasoning="no")
                return CriticCodec(PACK).write(verdict if refused else Verdict(outcome=Outcome.ACCEPT), last)
            if "planner" in system and not pictures:
                steps = tuple(Step(index=n, name="s", prompt=f"thing {n}") for n in range(1, 6))
                return PlannerCodec(PACK).write(Plan(steps=steps))
            return super()._answer(system, said, pictures)

    chat = NeverSatisfied()
    said = recipe(blobs.path, planner=3, critic=3, rl=0)
    await made(tmp_path / "out", chat, blobs, said)
    attempts = list(read_examples(tmp_path / "out" / "work" / "attempts", "attempts"))
    counts = [sum(a.document == document for a in attempts) for document in {a.document for a in attempts}]
    assert counts == [15, 15, 15]


async def test_the_teacher_gives_up_within_bounds(blobs: DirectoryBlobs):
    endpoint = Endpoint(model="teacher", reasks=1)
    teacher = Teacher(TeachingChat(junk=9), PACK, blobs, endpoint)
    assert await teacher.plan("draw a cat") is None
    image = (await FakeGenerator(blobs).draw(_job("a cat"))).image
    judged = await teacher.judge(Critique(prompt="a cat", last_prompt="a cat", after=image))
    assert judged.verdict.outcome is Outcome.ABSTAIN and len(judged.raw) == 2


def _job(prompt: str) -> ImageJob:
    return ImageJob(prompt=prompt, seed=1)


async def test_the_judge_takes_the_lesser_of_each_pair(blobs: DirectoryBlobs):
    image = (await FakeGenerator(blobs).draw(_job("a cat"))).image
    chat = TeachingChat(junk=1)
    judge = VlmJudge(chat, blobs, reasks=1)
    scores = await judge.score(Critique(prompt="a cat", last_prompt="another", after=image))
    assert (scores.semantics, scores.quality, scores.success) == (9, 8.5, True)
    assert judge.raw[0] == "I would rather not." and len(judge.raw) == 3
    assert not any("another" in said for said in chat.asked)  # judged against the step's original prompt
    with pytest.raises(BadRequest, match="cannot be read as edit_success and no_over_editing"):
        await VlmJudge(TeachingChat(junk=9), blobs, reasks=1).score(
            Critique(prompt="a cat", last_prompt="a cat", before=image, after=image)
        )


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ('{"naturalness": 7, "no_artifacts": 10}', (7, 10)),
        ('{"why": "x", "naturalness": 0, "no_artifacts": 9.5}', (0, 9.5)),
        ('```\n{"naturalness": 7, "no_artifacts": 10}\n```', (7, 10)),
        ('Sure! {"naturalness": 7, "no_artifacts": 10}', None),
        ('{"naturalness": 7}', None),
        ('{"naturalness": 11, "no_artifacts": 1}', None),
        ('{"naturalness": -1, "no_artifacts": 1}', None),
        ('{"naturalness": true, "no_artifacts": 1}', None),
        ('{"naturalness": "7", "no_artifacts": 1}', None),
        ('{"naturalness": NaN, "no_artifacts": 1}', None),
        ('{"naturalness": 7, "no_artifacts": 1, "mood": 3}', None),
        ("[7, 1]", None),
        ("", None),
    ],
)
def test_scores_are_read_strictly(answer: str, read):
    assert read_scores(answer, QUALITY) == read


async def test_a_recorded_chat_answers_from_the_ledger(tmp_path: Path):
    chat = TeachingChat()
    messages = PlannerCodec(PACK).messages(Brief(prompt="a cat"), ())

    async def ask(path: Path, seed: int) -> str:
        recorded = RecordedChat(chat, Ledger(path), "teacher")
        return "".join([token.text async for token in recorded.stream(messages, max_tokens=100, seed=seed)])

    first = await ask(tmp_path / "r.jsonl", 1)
    assert await ask(tmp_path / "r.jsonl", 1) == first and len(chat.asked) == 1
    await ask(tmp_path / "r.jsonl", 2)
    assert len(chat.asked) == 2


def test_the_estimate_by_hand(tmp_path: Path):
    """9 draws of a document, 40% of which are left: 36 rows need 10 documents, 90 pictures, and three calls each."""
    real = recipe(tmp_path, planner=0, critic=30, rl=6).real
    assert real
    found = estimate(real, Sizes(planner=0, critic=30, rl=6))
    assert (found.documents, found.requests, found.images, found.calls) == (10, 10, 90, 10 + 270)
    assert found.tokens_out == 10 * 1500 + 90 * 400 + 180 * 80
    assert found.cost == pytest.approx((found.tokens_in * 1.0 + found.tokens_out * 2.0) / 1e6)


def test_nothing_dear_is_begun_without_a_yes(tmp_path: Path):
    (tmp_path / "r.toml").write_text(
        f"""
        [sizes.small]
        planner = 1000
        critic = 1000
        rl = 100
        [real]
        blobs = "{tmp_path}"
        [real.teacher]
        model = "m"
        base_url = "http://127.0.0.1:9/v1"
        price_in = 100.0
        price_out = 100.0
        [[real.generators]]
        name = "g"
        url = "http://127.0.0.1:9"
        """
    )
    app = Typer()
    commands.register(app)
    options = ["synthesize", "--world", "real", "--recipe", str(tmp_path / "r.toml"), "--out", str(tmp_path / "out")]
    ran = CliRunner().invoke(app, options)
    assert ran.exit_code == 2 and "say --yes" in ran.output and "million tokens in" in ran.output
    assert not (tmp_path / "out" / "raw").exists()
    ran = CliRunner().invoke(app, [*options, "--yes"])
    assert ran.exit_code == 2 and "teacher is not ready" in ran.output


def test_the_taxonomy_is_large_and_never_repeats_itself():
    counted = taxonomy.counted()
    assert counted.categories == 8 and counted.subs == 75 and counted.templates > 100 and counted.requests >= 40_000
    some = taxonomy.requests(0)
    assert len({each.text for each in some}) == len(some) == counted.requests
    assert len({each.place for each in some[:75]}) == 75  # sub-categories take turns
    assert taxonomy.requests(0)[:50] == some[:50] != taxonomy.requests(1)[:50]
    assert not [each for each in some if "{" in each.text or "  " in each.text]
