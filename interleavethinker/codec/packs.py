"""Prompt packs: directories of templates that say how a planner and a critic are asked.

`standard` suits any instruct VLM, `compact` the tiny models; a path serves checkpoints trained on other prompts. A pack
has a digest, which a checkpoint's manifest names; comparing the two is not done here.

Templates are `string.Template` rather than Jinja: one substitution that runs nothing, looks nothing up and does not
expand what it put in, which is all that a prompt needs and all that a user's text should meet.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from string import Template

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from interleavethinker.codec.images import ImageLimits
from interleavethinker.codec.messages import Prompt
from interleavethinker.errors import BadSettings
from interleavethinker.types import IMAGE_MARKER

_HOME = Path(__file__).parent / "prompts"
_DEFAULTS = ImageLimits()


@dataclass(frozen=True, slots=True)
class Pack:
    """A loaded pack. `digest` is the SHA-256 over the names and bytes of its pack.toml and *.md files."""

    name: str
    digest: str
    planner_text: Prompt
    planner_interleaved: Prompt
    critic: Prompt
    images: ImageLimits
    style_in_prompts: bool = False


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Templates(_Strict):
    """File names within the pack."""

    user: str
    system: str | None = None


class _PackFile(_Strict):
    """pack.toml."""

    image_max_pixels: int = Field(default=_DEFAULTS.max_pixels, gt=0)
    many_images_from: int = Field(default=_DEFAULTS.many_from, gt=0)
    many_images_pixels: int = Field(default=_DEFAULTS.many_pixels, gt=0)
    style_in_prompts: bool = Field(default=False, description="a request's note on style stands in each drawing prompt")
    planner_text: _Templates
    planner_interleaved: _Templates
    critic: _Templates


def load_pack(name_or_path: str | Path) -> Pack:
    """A pack of ours by name, or a deployer's own by the path of its directory. Raises BadSettings."""
    ours = {path.parent.name: path.parent for path in sorted(_HOME.glob("*/pack.toml"))}
    home = ours.get(str(name_or_path), Path(name_or_path))
    if not (home / "pack.toml").is_file():
        raise BadSettings(
            f"there is no prompt pack {str(name_or_path)!r}: write one of {', '.join(ours)}, "
            "or the path of a directory that holds a pack.toml"
        )
    try:
        said = _PackFile.model_validate(tomllib.loads((home / "pack.toml").read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        raise BadSettings(f"{home / 'pack.toml'} cannot be used: {error}") from None
    return Pack(
        name=home.resolve().name,
        digest=_digest(home),
        planner_text=_prompt(home, said.planner_text, texts={"prompt"}, images=0),
        planner_interleaved=_prompt(home, said.planner_interleaved, texts={"prompt"}, images=0),
        critic=_prompt(home, said.critic, texts={"prompt", "last_prompt"}, images=2),
        images=ImageLimits(said.image_max_pixels, said.many_images_from, said.many_images_pixels),
        style_in_prompts=said.style_in_prompts,
    )


def _prompt(home: Path, files: _Templates, *, texts: set[str], images: int) -> Prompt:
    """The templates, checked now rather than at the first request."""
    user = Template(_template(home, files.user))
    if not user.is_valid() or set(user.get_identifiers()) != texts:
        wanted = " and ".join(f"${text}" for text in sorted(texts))
        raise BadSettings(f"{home / files.user} must hold {wanted} and no other $name; a dollar sign is written $$")
    if user.template.count(IMAGE_MARKER) != images:
        raise BadSettings(f"{home / files.user} must hold {IMAGE_MARKER} {images} times (a brief brings its own)")
    return Prompt(user, _template(home, files.system) if files.system else None)


def _template(home: Path, name: str) -> str:
    path = home / name
    if Path(name).name != name or path.suffix != ".md" or not path.is_file():
        raise BadSettings(f"{home / 'pack.toml'} names {name!r}, which is not an .md file beside it")
    return path.read_text(encoding="utf-8").strip()


def _digest(home: Path) -> str:
    """Each file as name, length and bytes, so that no two packs run into the same stream."""
    digest = hashlib.sha256()
    for path in sorted((home / "pack.toml", *home.glob("*.md")), key=lambda path: path.name):
        data = path.read_bytes()
        digest.update(f"{path.name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()
