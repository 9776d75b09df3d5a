"""`python -m services.smoke --out smoke.html`: exit code 0 where all passed (also slowly), 1 where something failed."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from interleavethinker.blobs import open_blobs
from interleavethinker.errors import InterleaveError
from interleavethinker.settings import PREFIX, BlobSettings, load_section
from interleavethinker.types import Size
from services.smoke.checks import SERVICES, everything
from services.smoke.line import Line
from services.smoke.page import page, verdict
from services.smoke.settings import Tried, of_settings


def main() -> int:
    urls, token, generator, published = of_settings()
    parser = argparse.ArgumentParser(prog="python -m services.smoke", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("smoke.html"), help="the page; - writes it to the standard output"
    )
    for name in SERVICES:
        parser.add_argument(f"--{name}-url", default=urls[name], help="%(default)s, by the settings")
    parser.add_argument("--api-key", default=os.environ.get(f"{PREFIX}API_KEY"), help="where the service asks for one")
    parser.add_argument("--prompt", default="", help="of a drawing; default: by the plan that is made")
    parser.add_argument("--change", default="", help="of an edit of it; default: by the plan")
    parser.add_argument("--wish", default="How do I draw a snowman with a red hat, step by step?")
    parser.add_argument("--size", help="such as 1024x1024; default: the model's own")
    parser.add_argument("--max-steps", type=int, default=4)
    parser.add_argument("--draw-seconds", type=float, default=published, help="of a drawing; default: by the preset")
    parser.add_argument("--verdict-seconds", type=float)
    parser.add_argument("--document-seconds", type=float)
    parser.add_argument("--patience", type=float, default=0.0, help="seconds to wait until a service is ready")
    said = parser.parse_args()
    preset = generator.preset is not None and generator.backend == "diffusers"
    tried = Tried(
        urls={name: getattr(said, f"{name}_url") for name in SERVICES},
        token=token,
        api_key=said.api_key,
        prompt=said.prompt,
        change=said.change,
        wish=said.wish,
        size=_size(parser, said.size),
        model=generator.model.partition("@")[0] if preset else None,
        accelerated=preset and generator.device != "cpu",
        draw_seconds=said.draw_seconds,
        verdict_seconds=said.verdict_seconds,
        document_seconds=said.document_seconds,
        max_steps=said.max_steps,
        patience=said.patience,
    )
    lines = asyncio.run(everything(tried, open_blobs(load_section("blobs", BlobSettings)), _tell))
    facts = {"profile": os.environ.get(f"{PREFIX}PROFILE") or "cpu", "generator": generator.preset or generator.model}
    if str(said.out) == "-":
        print(page(lines, facts))
    else:
        said.out.write_text(page(lines, facts), encoding="utf-8")
    print(f"{verdict(lines)}: {said.out}", file=sys.stderr)
    return 1 if verdict(lines) == "FAIL" else 0


def _size(parser: argparse.ArgumentParser, text: str | None) -> Size | None:
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    try:
        return Size(width=int(width), height=int(height))
    except ValueError:
        parser.error(f"--size is {text!r}: write such as 1024x1024")


def _tell(line: Line) -> None:
    seconds = "" if line.seconds is None else f"  {line.seconds:.2f} s"
    print(f"{line.outcome}  {line.about}: {line.found}{seconds}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InterleaveError as error:
        sys.exit(f"{error.code}: {error.detail}")
