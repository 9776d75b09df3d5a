"""The school's data commands: synthesize, collect, validate, inspect, convert. One line and exit code 2 where the
caller has to change something; what they do is in the modules beside."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from interleavethinker.errors import InterleaveError

if TYPE_CHECKING:
    from training.data.cards import Card
    from training.data.recipe import DataRecipe, RealWorld, Sizes
    from training.judge import Judge

World = Literal["smallworld", "real"]
Format = Literal["sharegpt", "rl", "easy", "reflection"]
Out = Annotated[Path, typer.Option(help="directory of the sets; the same one resumes")]
Set = Annotated[Path, typer.Argument(help="a data set, or the directory that holds several")]
RecipeOption = Annotated[Path | None, typer.Option(help="TOML of settings; without it training/recipes/data.*.toml")]
Rows = Annotated[int | None, typer.Option(min=0, help="rows, instead of the named size's")]


def register(app: typer.Typer) -> None:
    """Add the commands to the school's own."""
    for command in (synthesize, collect, validate, inspect, convert):
        app.command()(command)


def synthesize(
    out: Out,
    world: Annotated[World, typer.Option(help="smallworld: procedural, exact; real: a teacher and generators")] = (
        "smallworld"
    ),
    size: Annotated[str, typer.Option(help="a size of the recipe: small, paper (80k, 112k, 13k)")] = "small",
    planner: Rows = None,
    critic: Rows = None,
    rl: Rows = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    generator: Annotated[
        list[Path] | None, typer.Option(help="small world: a pipeline directory; again for each, weak ones too")
    ] = None,
    unfiltered: Annotated[bool, typer.Option("--unfiltered", help="keep the steps that the filter drops")] = False,
    recipe: RecipeOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="real: spend what the estimate says")] = False,
) -> None:
    """Build Interleave-Planner-SFT, Interleave-Critic-SFT and Interleave-Critic-RL. Killed, it goes on where it was."""
    with _one_line():
        settings, sizes = _settings(world, size, (planner, critic, rl), seed, generator, unfiltered, recipe)
        if world == "smallworld":
            from training.data.synthesize import small_world

            cards = small_world(out, settings, sizes, _say)
        else:
            assert settings.real
            _agree(settings.real, sizes, out, yes)
            cards = asyncio.run(_real(out, settings, sizes))
        _told(out, cards)


def collect(
    journal: Annotated[str, typer.Option(help="sqlite:///path/to/journal.db or postgresql://...")],
    blobs: Annotated[Path, typer.Option(help="the runs' image store")],
    out: Out,
    labels: Annotated[
        Path | None, typer.Option(help="people's judgements: .jsonl of run, step, attempt, label, prompt")
    ] = None,
    judge: Annotated[
        Literal["none", "exact", "vlm"],
        typer.Option(help="who scores: nobody (derived from verdicts), the small world's judge, the recipe's model"),
    ] = "none",
    rl_share: Annotated[float, typer.Option(min=0, max=1, help="share of the attempts for RL")] = 0.1,
    unfiltered: Annotated[bool, typer.Option("--unfiltered", help="keep the steps that the filter drops")] = False,
    unified: Annotated[bool, typer.Option("--unified", help="also write sequences for unified models")] = False,
    recipe: RecipeOption = None,
) -> None:
    """Turn journals of real runs into the same sets; people's labels count above the critic's."""
    from interleavethinker.blobs import DirectoryBlobs
    from training.data.collect import Collector, read_labels
    from training.data.collecting import collect as collected
    from training.data.collecting import collect_tellings
    from training.data.recipe import HOME, read_recipe
    from training.data.unified import write_unified

    async def run() -> list[Card]:
        settings = read_recipe(recipe or HOME / ("data.gpu.toml" if judge == "vlm" else "data.cpu.toml"))
        making = settings.making.model_copy(update={"filtered": settings.making.filtered and not unfiltered})
        store = DirectoryBlobs(blobs)
        collector = Collector(store, read_labels(labels) if labels else {}, _judge(judge, settings, store))
        cards = await collected(
            out, journal, collector, making=making, licence=settings.licence, rl_share=rl_share, say=_say
        )
        if unified:
            told = await collect_tellings(journal, store)
            for form in ("easy", "reflection"):
                _say(f"[collect] {write_unified(out / 'unified', told, form)} sequences, {form}")
        return cards

    with _one_line():
        _told(out, asyncio.run(run()))


def validate(
    path: Set, pack: Annotated[str | None, typer.Option(help="also say every row with this prompt pack")] = None
) -> None:
    """Read every row and picture; the first thing that is wrong is told in one line."""
    from training.data.check import check

    with _one_line():
        for card in check(path, pack).values():
            _say(f"{card.name}: {card.rows} rows, sound; digest {card.data_digest}")


def inspect(
    path: Set,
    out: Annotated[Path | None, typer.Option(help="without it, sheet.html beside the sets")] = None,
    n: Annotated[int, typer.Option(min=1, help="examples of each set")] = 24,
    seed: int = 0,
) -> None:
    """Write one HTML sheet of random examples with their pictures, for a person to look at."""
    from training.data.inspect import sheet

    with _one_line():
        _say(str(sheet(path, out or path / "sheet.html", n=n, seed=seed)))


def convert(
    path: Set,
    to: Annotated[
        Format, typer.Option(help="sharegpt: LLaMA-Factory; rl: JSON lines; easy, reflection: unified models")
    ],
    out: Annotated[Path, typer.Option(help="directory of the JSON and its images")],
    pack: Annotated[str, typer.Option(help="sharegpt: the prompt pack to say the rows with")] = "standard",
) -> None:
    """Write the sets in another program's format."""
    from training.data.check import find_sets
    from training.data.rows import write_rl_rows
    from training.data.sharegpt import NAMES, Sharegpt
    from training.data.store import read_examples
    from training.data.tellings import tellings
    from training.data.unified import write_unified

    with _one_line():
        if to in ("easy", "reflection"):
            _say(f"{write_unified(out, tellings(path), to)} sequences in {out}")
            return
        sets = find_sets(path)
        wanted = ("rl",) if to == "rl" else tuple(NAMES)
        for kind in (kind for kind in sets if kind in wanted):
            rows: Iterable[Any] = read_examples(sets[kind], kind)
            if kind == "rl":
                count = write_rl_rows(out, rows)
            else:
                count = Sharegpt(pack).write(out, "planner" if kind == "planner" else "critic", rows)
            _say(f"{count} {kind} rows in {out}")
        if not set(sets) & set(wanted):
            from interleavethinker.errors import BadRequest

            raise BadRequest(f"{path} holds no {' or '.join(wanted)} set, which is what {to} is made of")


def _settings(
    world: World,
    size: str,
    rows: tuple[int | None, int | None, int | None],
    seed: int | None,
    generators: list[Path] | None,
    unfiltered: bool,
    recipe: Path | None,
) -> tuple[DataRecipe, Sizes]:
    """The recipe with the flags laid over it. Raises BadSettings."""
    from interleavethinker.errors import BadSettings
    from training.data.recipe import HOME, Sizes, SmallWorld, read_recipe

    path = recipe or HOME / ("data.cpu.toml" if world == "smallworld" else "data.gpu.toml")
    said = read_recipe(path)
    if size not in said.sizes:
        raise BadSettings(f"{path.name} has no size {size!r}: it has {', '.join(said.sizes)}")
    given = {name: n for name, n in zip(("planner", "critic", "rl"), rows, strict=True) if n is not None}
    sizes = Sizes(**said.sizes[size].model_dump() | given)
    changes: dict[str, Any] = {} if seed is None else {"seed": seed}
    if unfiltered:
        changes["making"] = said.making.model_copy(update={"filtered": False})
    if generators:
        other = said.smallworld.model_dump() if said.smallworld else {}
        changes["smallworld"] = SmallWorld(**other | {"generators": tuple(map(str, generators))})
    said = said.model_copy(update=changes)
    if (said.smallworld if world == "smallworld" else said.real) is None:
        raise BadSettings(f"{path.name} has no [{world}]: add it, or take another --world")
    return said, sizes


def _agree(real: RealWorld, sizes: Sizes, out: Path, yes: bool) -> None:
    """Print the estimate; above the recipe's limit somebody must agree. Raises BadSettings."""
    from interleavethinker.errors import BadSettings
    from training.data.estimate import estimate

    found = estimate(real, sizes)
    for line in found.lines():
        _say(line)
    if (out / "raw" / "replies.jsonl").is_file():
        _say("some of it is on disk already and is not asked again")
    if found.cost <= real.confirm_above or yes:
        return
    if not (sys.stdin.isatty() and typer.confirm("Spend that?")):
        raise BadSettings(f"the estimate is above confirm_above = {real.confirm_above:g}: say --yes to spend it")


async def _real(out: Path, settings: DataRecipe, sizes: Sizes) -> list[Card]:
    from training.data.real import Crew, real_world

    assert settings.real
    crew = Crew.open(settings.real)
    try:
        return await real_world(out, settings, sizes, crew, _say)
    finally:
        await crew.close()


def _judge(who: str, settings: DataRecipe, blobs: Any) -> Judge | None:
    from interleavethinker.errors import BadSettings

    if who == "none":
        return None
    if who == "exact":
        from training.judge import ExactJudge

        return ExactJudge(blobs)
    from training.data.real import judge_of

    if settings.real is None:
        raise BadSettings("the recipe has no [real], which names the judge's endpoint")
    return judge_of(settings.real, blobs)


def _told(out: Path, cards: list[Card]) -> None:
    for card in cards:
        _say(f"{out / card.name}: {card.rows} rows, digest {card.data_digest[:12]}")


def _say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except InterleaveError as error:
        typer.echo(f"{error.detail}", err=True)
        raise typer.Exit(2) from None
