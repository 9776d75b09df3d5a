"""`python -m training rehearse`: start a recipe for a few steps with random weights of a given shape, and say what a
step takes.

For the question that `--check` only computes an answer to: does this recipe run on these devices, how much memory does
it take, how long is a step? It needs no download: weights are random, the tokenizer is the small world's (texts are
said in more tokens than a real one would take), pictures are made up. The run itself is the ordinary command. Nothing
is learned that is worth keeping. With random weights hardly an answer can be read, so that GRPO redraws next to
nothing here: its redraws have to be timed apart.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

from interleavethinker.errors import BadCheckpoint, BadSettings, Unavailable

WORDS = Path("checkpoints/smallworld/critic")
"""Tokenizer and processor of a rehearsed model; its shape is `tiny`."""
SHAPES = Path(__file__).parent / "shapes"
SETS = {"planner": "Interleave-Planner-SFT", "critic": "Interleave-Critic-SFT", "rl": "Interleave-Critic-RL"}


@dataclass(frozen=True)
class Found:
    """What a step took: the first one, which also warms up, left out."""

    steps: int
    seconds: float
    peak_gb: float

    def __str__(self) -> str:
        return f"{self.steps} steps: {self.seconds:.2f} s a step, {self.peak_gb:.2f} GB at most on the first device"


def shape_of(name: str) -> Path:
    """The directory of a shape of ours, or of any config.json. Raises BadSettings."""
    directory = WORDS if name == "tiny" else next((p for p in (SHAPES / name, Path(name)) if p.is_dir()), None)
    if directory is None or not (directory / "config.json").is_file():
        ours = ", ".join(["tiny", *sorted(path.name for path in SHAPES.iterdir())])
        raise BadSettings(f"--shape {name}: there is no such config.json; ours are {ours}")
    return directory


def random_model(shape: Path, to: Path) -> Path:
    """A Qwen3-VL of this shape with random weights, in bf16 on a GPU's machine, with the small world's tokenizer."""
    import torch
    from transformers import AutoConfig, AutoTokenizer, Qwen3VLConfig, Qwen3VLForConditionalGeneration

    if (to / "config.json").is_file():
        return to
    config = AutoConfig.from_pretrained(shape)
    if not isinstance(config, Qwen3VLConfig):
        raise BadCheckpoint(f"{shape} is the shape of a {config.model_type}, but planner and critic are Qwen3-VL")
    words = AutoTokenizer.from_pretrained(WORDS)
    for key, token in (
        ("image_token_id", "<|image_pad|>"), ("video_token_id", "<|video_pad|>"),
        ("vision_start_token_id", "<|vision_start|>"), ("vision_end_token_id", "<|vision_end|>"),
    ):  # fmt: skip
        setattr(config, key, words.convert_tokens_to_ids(token))
    config.text_config.eos_token_id, config.text_config.bos_token_id = words.eos_token_id, None
    config.text_config.pad_token_id = words.pad_token_id
    gpu = torch.cuda.is_available()
    config.dtype = torch.bfloat16 if gpu else torch.float32
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(config.dtype)
    try:
        with torch.device("cuda" if gpu else "cpu"):
            model = Qwen3VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = words.eos_token_id, words.pad_token_id
    temporary = to.with_name(to.name + ".new")
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary)
    for file in WORDS.iterdir():
        if file.suffix in (".json", ".jinja") and file.name not in ("config.json", "generation_config.json"):
            shutil.copyfile(file, temporary / file.name)
    (temporary / "manifest.json").unlink(missing_ok=True)
    processor = temporary / "preprocessor_config.json"
    wide = {"size": {"shortest_edge": 32 * 32, "longest_edge": 1 << 24}}  # the prompt pack caps pictures, not this
    processor.write_text(json.dumps(json.loads(processor.read_text()) | wide))
    temporary.rename(to)
    return to


def made_up_data(to: Path, rows: int, side: int) -> Path:
    """All three sets, with pictures of `side` x `side` pixels."""
    from interleavethinker.types import Outcome, Plan, Step, Verdict
    from training.data.store import write_examples
    from training.data.values import CriticExample, PlannerExample, RlExample
    from training.judge import Scores

    rng = random.Random("rehearsal")
    pictures = [picture(rng, side) for _ in range(4)]
    prompt = "put a red ball left of the green mushroom"
    accept = Verdict(outcome=Outcome.ACCEPT, reasoning="all of it is there")
    revise = Verdict(outcome=Outcome.REVISE, refined_prompt="a red ball at b2", reasoning="there is no ball")
    verdicts = (accept, revise)
    scores = (Scores(semantics=2, quality=8, success=False), Scores(semantics=10, quality=10, success=True))
    steps = tuple(Step(index=index, name=f"step {index}", prompt=prompt) for index in range(1, 9))
    pairs = [(pictures[n % 4], pictures[(n + 1) % 4], n % 2) for n in range(rows)]
    made: dict[str, list[Any]] = {
        "planner": [
            PlannerExample("a story of eight pictures, the first is <image>", (before,), Plan(steps=steps))
            for before, _, _ in pairs
        ],
        "critic": [CriticExample(prompt, prompt, before, after, verdicts[odd]) for before, after, odd in pairs],
        "rl": [RlExample(prompt, prompt, before, after, scores[odd]) for before, after, odd in pairs],
    }
    for kind, examples in made.items():
        write_examples(to / SETS[kind] / "00000.parquet", examples, kind)  # type: ignore[arg-type]
    return to


def picture(rng: random.Random, side: int) -> bytes:
    """A PNG of random tiles: large enough to cost what a picture costs, and small on disk."""
    from PIL import Image

    tiles = Image.frombytes("RGB", (8, 8), rng.randbytes(192))
    buffer = io.BytesIO()
    tiles.resize((side, side), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def laid_over(kind: str, steps: int, batch: int, work: Path, *, gpu: bool) -> list[str]:
    """The `--set`s that make a few steps over made-up data of a recipe, and take nothing else from it."""
    said = [f"base={work / 'base'}", f"data={work / 'data'}", "held_out="]
    if kind == "sft":
        said += ["epochs=", f"samples={steps * batch}", f"batch={batch}", "log_every=1", f"save_every={steps}"]
        said += ["report_to=none", "token_weights=", "keep=1"]
        return said + ([] if gpu else ["precision=float32", "workers=0", "threads=1"])
    said += ["generator.url=", "generator.blobs=", 'generator.directories=["checkpoints/smallworld/generator"]']
    said += ["judge.kind=exact", f"grpo.steps={steps}", f"grpo.prompts_per_step={max(1, batch // 8)}"]
    said += ["grpo.vllm=false", "grpo.max_tokens=256", "grpo.report_to=none", f"grpo.save_every={steps}"]
    said += ["grpo.held_out=0", "grpo.samples_every=1000"]
    return said + ([] if gpu else ["grpo.bf16=false", "grpo.max_tokens=8", "grpo.threads=1"])


def command(kind: str, recipe: Path, run: Path, said: Sequence[str], launcher: Path | None, devices: int) -> list[str]:
    """The ordinary command of the run, under `accelerate launch` where a launcher's configuration is given."""
    words = ["-m", "training", kind, "--recipe", str(recipe), "--out", str(run)]
    words += [word for setting in said for word in ("--set", setting)]
    if launcher is None:
        return [sys.executable, *words]
    launch = ["-m", "accelerate.commands.launch", "--config_file", str(launcher), "--num_processes", str(devices)]
    return [sys.executable, *launch, *words]


def found(run: Path, kind: str) -> Found:
    """What the run's log says. Raises Unavailable when it holds no step."""
    log = run / "log.jsonl" if kind == "sft" else run / "run" / "log.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
    rows = [row for row in rows if "peak_gb" in row and "seconds" in row]
    if not rows:
        raise Unavailable(f"{log} holds no step: the run's own lines above say why")
    timed = [row["seconds"] for row in rows[1:]] or [rows[0]["seconds"]]
    return Found(len(rows), fmean(timed), max(row["peak_gb"] for row in rows))


def register(app: typer.Typer) -> None:
    """Add the command to `python -m training`."""
    from training.finetune_commands import told_in_one_line

    @app.command()
    def rehearse(
        recipe: Annotated[Path, typer.Option(help="an sft or grpo recipe")],
        out: Annotated[Path, typer.Option(help="where base, data and run are put; take it away afterwards")],
        shape: Annotated[str, typer.Option(help="tiny, qwen3-vl-8b, or a directory with a config.json")] = "tiny",
        steps: Annotated[int, typer.Option(min=1)] = 3,
        batch: Annotated[int, typer.Option(min=1, help="examples (sft) or answers (grpo) a step")] = 8,
        side: Annotated[int, typer.Option(min=32, help="pixels of the made-up pictures' sides")] = 1024,
        accelerate: Annotated[Path | None, typer.Option(help="of training/accelerate/; without it one process")] = None,
        devices: Annotated[int, typer.Option(min=1, help="with --accelerate: processes, one a GPU")] = 1,
        settings: Annotated[list[str], typer.Option("--set", help="key=value over the recipe's, the last word")] = [],  # noqa: B006
    ) -> None:
        """Start a recipe for a few steps with random weights of a shape; print memory and seconds a step."""
        with told_in_one_line():
            import torch

            from training.recipe import read_table

            kind = read_table(recipe).get("kind")
            if kind not in ("sft", "grpo"):
                raise BadSettings(f"{recipe} is no recipe of sft or grpo: rehearse takes those")
            random_model(shape_of(shape), out / "base")
            made_up_data(out / "data", max(16, batch), side)
            said = [*laid_over(kind, steps, batch, out, gpu=torch.cuda.is_available()), *settings]
            shutil.rmtree(out / "run", ignore_errors=True)
            if subprocess.run(command(kind, recipe, out / "run", said, accelerate, devices)).returncode:
                raise Unavailable("the rehearsed run failed: its own lines above say why")
            typer.echo(str(found(out / "run", kind)))
