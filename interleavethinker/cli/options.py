"""The options that several commands take, each with its one wording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

REACH, SHAPE, LIMITS = "Where the stack is", "The document", "Limits"

Request = Annotated[
    str, typer.Argument(help="what the document should show; `-` reads it from standard input", show_default=False)
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="a run's id, or `last` for your newest one")]
Out = Annotated[
    Path, typer.Option("-o", "--out", help="a folder, or a file such as guide.pdf: its ending says the format")
]
MaybeOut = Annotated[Path | None, typer.Option("-o", "--out", help="write the document: a folder, or a file")]
Url = Annotated[
    str | None,
    typer.Option(
        envvar="INTERLEAVETHINKER_URL", help="the orchestrator; http://127.0.0.1:8080 without", rich_help_panel=REACH
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        envvar="INTERLEAVETHINKER_API_KEY", help="where the service wants one; better in the variable",
        rich_help_panel=REACH,
    ),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]
Seed = Annotated[
    int, typer.Option(help="the same request and seed give the same document", min=0, rich_help_panel=SHAPE)
]
Mode = Literal["off", "quick", "strict"]
Critic = Annotated[
    Mode,
    typer.Option(help="off: first drawings stand; strict: only a sure accept counts", rich_help_panel=SHAPE),
]
Generator = Annotated[
    str | None, typer.Option(help="which of the installation's generators draws", rich_help_panel=SHAPE)
]
Pictures = Annotated[
    list[Path],
    typer.Option("-i", "--image", help="a picture of the request; may be given again", rich_help_panel=SHAPE),
]
References = Annotated[
    list[Path],
    typer.Option(help="a picture that every drawing is given: a style, a character", rich_help_panel=SHAPE),
]
Size = Annotated[
    str | None,
    typer.Option(metavar="WIDTHxHEIGHT", help="of the pictures, in pixels", rich_help_panel=SHAPE),
]
Style = Annotated[str, typer.Option(help="how all pictures look, in words", rich_help_panel=SHAPE)]
Characters = Annotated[str, typer.Option(help="who is in the pictures, in words", rich_help_panel=SHAPE)]
Anchor = Annotated[
    int | None,
    typer.Option(
        metavar="STEP", help="the step whose picture later drawings are given too, against drift", min=1, max=1_000_000,
        rich_help_panel=SHAPE,
    ),
]  # fmt: skip
IndependentSteps = Annotated[
    bool,
    typer.Option(
        "--independent-steps", help="pictures side by side, none drawn from the one before it", rich_help_panel=SHAPE
    ),
]
Candidates = Annotated[
    int, typer.Option(help="drawings of each redraw; the best one is kept", min=1, max=8, rich_help_panel=LIMITS)
]
MaxAttempts = Annotated[
    int, typer.Option(help="drawings per step, the first one included", min=1, max=20, rich_help_panel=LIMITS)
]
MaxSteps = Annotated[int | None, typer.Option(min=1, max=100, rich_help_panel=LIMITS)]
MaxDraws = Annotated[int | None, typer.Option(help="drawings in all", min=1, rich_help_panel=LIMITS)]
MaxSeconds = Annotated[
    float | None, typer.Option(help="time in the queue not counted", min=0.1, rich_help_panel=LIMITS)
]

StepNumber = Annotated[int, typer.Argument(metavar="STEP", help="the step's number, as `show` has it", min=1)]
OtherSeed = Annotated[int | None, typer.Option("--seed", help="another one", min=0)]
OtherAttempts = Annotated[
    int | None, typer.Option("--max-attempts", help="drawings per step, the first one included", min=1, max=20)
]
OtherCritic = Annotated[Mode | None, typer.Option("--critic", help="another strictness")]
Later = Annotated[
    Literal["stale", "redraw"], typer.Option(help="the steps after it: only marked as stale, or redrawn as well")
]
OwnReferences = Annotated[
    list[Path], typer.Option("--reference", help="a picture that this step's drawings are given; may be given again")
]


def budget(max_draws: int | None, max_seconds: float | None) -> dict[str, float] | None:
    given = {"max_draws": max_draws, "max_seconds": max_seconds}
    return {name: value for name, value in given.items() if value is not None} or None


def given(**options: object) -> dict[str, Any]:
    """Those that were given: neither None nor an empty list."""
    return {name: value for name, value in options.items() if value not in (None, [])}


def size(text: str | None) -> tuple[int, int] | None:
    """Raises typer.BadParameter."""
    if text is None:
        return None
    width, by, height = text.lower().partition("x")
    if not (by and width.isdecimal() and height.isdecimal()):
        raise typer.BadParameter(f"write the size as 512x512, not {text!r}", param_hint="--size")
    return int(width), int(height)
