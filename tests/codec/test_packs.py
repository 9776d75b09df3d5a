"""Prompt packs: ours by name, a deployer's own by path, and what is said about a broken one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import interleavethinker.codec
from interleavethinker.codec import CriticCodec, ImageLimits, Message, PlannerCodec, TextPart, load_pack
from interleavethinker.errors import BadSettings
from interleavethinker.types import Brief

OURS = Path(interleavethinker.codec.__file__).parent / "prompts"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A pack in the style of a checkpoint tuned with one long user message and no system text."""
    home = tmp_path / "released"
    home.mkdir()
    (home / "plan.md").write_text("You plan illustrated guides for $$0.\n\nRequest: $prompt\nAnswer with the plan.\n")
    (home / "continue.md").write_text("Continue or describe this: $prompt")
    (home / "judge.md").write_text("<image><image>You judge edits.\nEditing prompt: $prompt\nUsed: $last_prompt")
    (home / "pack.toml").write_text(
        "image_max_pixels = 262144\nmany_images_from = 3\nmany_images_pixels = 65536\n"
        '[planner_text]\nuser = "plan.md"\n[planner_interleaved]\nuser = "continue.md"\n[critic]\nuser = "judge.md"\n'
    )
    return home


def test_ours_are_found_by_name() -> None:
    standard, compact = load_pack("standard"), load_pack("compact")
    assert (standard.name, compact.name) == ("standard", "compact")
    assert standard.digest != compact.digest and len(standard.digest) == 64
    assert standard.images == ImageLimits(max_pixels=1024 * 1024, many_from=5, many_pixels=384 * 384)
    assert compact.planner_text.system is None


def test_a_deployers_own_pack_is_found_by_path(own: Path) -> None:
    pack = load_pack(str(own))
    assert pack.name == "released"
    assert pack.images == ImageLimits(max_pixels=262144, many_from=3, many_pixels=65536)
    (asked,) = PlannerCodec(pack).messages(Brief(prompt="a guide"), [])
    said = "You plan illustrated guides for $0.\n\nRequest: a guide\nAnswer with the plan."
    assert asked == Message("user", (TextPart(said),))
    (judged,) = CriticCodec(pack).messages("add a hat", "a red hat", 1, 2)
    assert judged.parts[-1] == TextPart("You judge edits.\nEditing prompt: add a hat\nUsed: a red hat")


@pytest.mark.parametrize("name", ["standard", "compact"])
def test_the_digest_is_of_the_files(name: str, tmp_path: Path) -> None:
    copy = shutil.copytree(OURS / name, tmp_path / "elsewhere")
    assert load_pack(copy).digest == load_pack(name).digest
    for path in sorted(copy.iterdir()):
        before, content = load_pack(copy).digest, path.read_bytes()
        path.write_bytes(content + b"\n")
        assert load_pack(copy).digest != before, path.name
        path.write_bytes(content)
    (copy / "more.md").write_text("one more")
    assert load_pack(copy).digest != load_pack(name).digest


def test_an_unknown_pack_names_the_known_ones() -> None:
    with pytest.raises(BadSettings, match="no prompt pack 'standrad': write one of compact, standard, or the path"):
        load_pack("standrad")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("pack.toml", "not toml", "pack.toml cannot be used"),
        ("pack.toml", '[critic]\nuser = "judge.md"', "planner_text"),
        ("pack.toml", 'colour = "red"', "colour"),
        ("plan.md", "no placeholder", r"plan.md must hold \$prompt and no other"),
        ("plan.md", "$prompt $last_prompt", r"must hold \$prompt and no other"),
        ("plan.md", "$prompt for 5 $", r"a dollar sign is written \$\$"),
        ("continue.md", "<image>$prompt", "must hold <image> 0 times"),
        ("judge.md", "<image>$prompt $last_prompt", "must hold <image> 2 times"),
        ("judge.md", "<image><image>$prompt", r"must hold \$last_prompt and \$prompt"),
    ],
)
def test_a_broken_pack_says_what_to_change(own: Path, file: str, content: str, said: str) -> None:
    (own / file).write_text(content)
    with pytest.raises(BadSettings, match=said):
        load_pack(own)


@pytest.mark.parametrize("name", ["missing.md", "../outside.md", "pack.toml"])
def test_templates_lie_beside_the_pack_file(own: Path, name: str) -> None:
    (own.parent / "outside.md").write_text("$prompt")
    said = (own / "pack.toml").read_text()
    (own / "pack.toml").write_text(said.replace('"plan.md"', f'"{name}"'))
    with pytest.raises(BadSettings, match=r"not an \.md file beside it"):
        load_pack(own)
