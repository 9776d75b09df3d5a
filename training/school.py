"""The small world's courses: what is trained, in which order, on what, and where it is left.

Every course can be stopped and started again at any moment; what it has finished it does not do twice. Work lies under
`var/train/`; `export` turns it into the checkpoints that are served.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import Qwen3VLForConditionalGeneration

from interleavethinker.chat.qwen import StillsProcessor
from interleavethinker.codec import CriticCodec, PlannerCodec, load_pack
from interleavethinker.errors import BadRequest
from training import vlm
from training.courses import read_recipe
from training.data.store import read_examples
from training.data.values import CriticExample
from training.grounding import ground
from training.inputs import LessonInputs
from training.judge import pixels
from training.lessons import BLANK, CriticLesson, critic_lesson, planner_lesson
from training.progress import Progress
from training.sft import Lesson, SftRecipe, Teacher, numbered, sft

if TYPE_CHECKING:
    from training.drawings import Drawings

WORK = Path("var/train")
SHIPPED = Path("checkpoints/smallworld")
RECIPES = Path(__file__).parent / "recipes"


def teacher_of(directory: Path) -> Teacher:
    """The codec with the compact pack, and the tokenizer and processor that lie in the directory."""
    pack = load_pack("compact")
    return Teacher(LessonInputs(StillsProcessor.load(directory)), PlannerCodec(pack), CriticCodec(pack))


def load(directory: Path) -> Qwen3VLForConditionalGeneration:
    return Qwen3VLForConditionalGeneration.from_pretrained(directory, dtype=torch.float32)


def finished(directory: Path) -> bool:
    return (directory / "config.json").exists()


def keep(model: Qwen3VLForConditionalGeneration, processor: StillsProcessor, directory: Path) -> None:
    """Write whole or not at all."""
    temporary = directory.with_name(directory.name + ".new")
    shutil.rmtree(temporary, ignore_errors=True)
    vlm.save(model, processor, temporary)
    shutil.rmtree(directory, ignore_errors=True)
    temporary.rename(directory)


def base(recipe: dict[str, Any], work: Path = WORK) -> Path:
    """Tokenizer, processor, and a model whose vision tower is grounded."""
    out = work / "base"
    if finished(out):
        return out
    torch.set_num_threads(recipe["threads"])
    work.mkdir(parents=True, exist_ok=True)
    pack = load_pack("compact")
    scaffold = vlm.scaffolding(PlannerCodec(pack), CriticCodec(pack))
    words = vlm.tokenizer(vlm.corpus(recipe["corpus"], recipe["seed"]), scaffold)
    model = vlm.model(words, seed=recipe["seed"])
    ground(model, recipe["grounding_steps"], recipe["seed"], Progress(work / "base.jsonl", every=50))
    keep(model, vlm.processor(words), out)
    return out


def begin(recipe: dict[str, Any], work: Path) -> Path:
    """The directory to go on from: the recipe's `start`, or the grounded base."""
    return Path(recipe["start"]) if "start" in recipe else base(read_recipe(RECIPES / "base.cpu.toml"), work)


def planner(recipe: dict[str, Any], work: Path = WORK) -> Path:
    """SFT on recipes: plans, continuations, descriptions."""
    start, out = begin(recipe, work), work / "planner"
    if not finished(out):
        course = SftRecipe(seed=recipe["seed"], threads=recipe["threads"], **recipe["recipes"])
        teacher = teacher_of(start)
        lessons = numbered(lambda rng: planner_lesson(rng, held_out=False), recipe["seed"])
        model = sft(load(start), teacher, lessons, course, work / "planner.run")
        keep(model, teacher.inputs.processor, out)
    return out


def critic(recipe: dict[str, Any], work: Path = WORK) -> Path:
    """SFT on painted attempts, then, with `[drawn]`, on a mixture of drawn and painted ones; right and wrong in equal
    parts."""
    start, out = begin(recipe, work), work / "critic"
    painted = work / "critic.painted" if "drawn" in recipe else out
    teacher = teacher_of(start)
    if not finished(painted):
        course = SftRecipe(seed=recipe["seed"], threads=recipe["threads"], **recipe["painted"])
        lessons = numbered(critic_lesson, recipe["seed"])
        keep(sft(load(start), teacher, lessons, course, work / "critic.painted.run"), teacher.inputs.processor, painted)
    if not finished(out):
        pool = drawings(recipe["drawings"], recipe["seed"], work)
        course = SftRecipe(seed=recipe["seed"] + 1, threads=recipe["threads"], **recipe["drawn"])

        def lesson(rng: random.Random) -> CriticLesson:
            return pool.lesson(rng) if rng.random() < 0.7 else critic_lesson(rng)

        lessons = numbered(lesson, recipe["seed"] + 1)
        keep(sft(load(painted), teacher, lessons, course, work / "critic.drawn.run"), teacher.inputs.processor, out)
    return out


def one_agent(recipe: dict[str, Any], work: Path = WORK) -> Path:
    """One model for both roles (the paper's ablation): planner lessons, stored drawings and painted attempts, mixed."""
    start, out = begin(recipe, work), work / "one_agent"
    if not finished(out):
        teacher = teacher_of(start)
        examples = list(read_examples(Path(recipe["data"]), "critic"))
        course = SftRecipe(seed=recipe["seed"], threads=recipe["threads"], **recipe["lessons"])

        def lesson(rng: random.Random) -> Lesson:
            if rng.random() < recipe["planner_share"]:
                return planner_lesson(rng, held_out=False)
            return drawn(rng.choice(examples)) if rng.random() < 0.7 else critic_lesson(rng)

        lessons = numbered(lesson, recipe["seed"])
        keep(sft(load(start), teacher, lessons, course, work / "one_agent.run"), teacher.inputs.processor, out)
    return out


def drawn(example: CriticExample) -> CriticLesson:
    """A stored example as the small world's lesson: pictures decoded, white before a first one."""
    before = BLANK if example.before is None else pixels(example.before)
    return CriticLesson(before, pixels(example.after), example.prompt, example.last_prompt, example.verdict, "drawn")


def drawings(recipe: dict[str, Any], seed: int, work: Path = WORK) -> Drawings:
    """Attempts drawn by the trained generator and by a weaker state of it, or by the shipped one where none was
    trained."""
    from training.drawings import Drawings
    from training.sampler import load_pipeline

    weaker = sorted((work / "generator").glob("at-*"), key=lambda path: int(path.name.removeprefix("at-")))
    trained = [*weaker[-1:], *(work / "generator").glob("pipeline")]
    out = work / "drawings"
    for number, directory in enumerate(trained or [SHIPPED / "generator"]):
        name = f"{directory.name}-{seed + number}"
        if (out / f"{name}.json").exists():
            continue
        drawn = Drawings.collect(load_pipeline(directory), recipe["count"], seed + number, hard=recipe["hard"])
        drawn.save(out, name)
        print(f"[drawings] {directory}: {len(drawn.right)} right, {len(drawn.wrong)} wrong", flush=True)
    pool = Drawings.load(out)
    if not pool.right or not pool.wrong:
        kind = "right" if not pool.right else "wrong"
        raise BadRequest(f"no drawing in {out} is {kind}: train the generator longer, or draw more of them")
    return pool


def generator(recipe: dict[str, Any], work: Path = WORK) -> Path:
    from training.generator import GeneratorRecipe, train

    return train(replace(GeneratorRecipe(), **recipe), work / "generator")
