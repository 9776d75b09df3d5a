"""What data to make, as a TOML of settings: sizes by name, the small world's generators, the real world's endpoints.

Strict, so that a typing mistake stops before hours are spent. Making the data is not done here.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import Field, ValidationError

from interleavethinker.errors import BadSettings
from interleavethinker.types import GenerationParams, Size, Value

HOME = Path(__file__).parents[1] / "recipes"


class Sizes(Value):
    """Rows of the three sets. The paper's are 80,000, 112,000 and 13,000 (paper.md section 3)."""

    planner: int = Field(ge=0)
    critic: int = Field(ge=0)
    rl: int = Field(ge=0)


class Making(Value):
    """How trajectories become rows, in both worlds."""

    filtered: bool = Field(default=True, description="False keeps every step: the paper's `unfiltered` row")
    right: float = Field(default=0.5, gt=0, lt=1, description="share of accepted attempts after balancing")
    shard: int = Field(default=256, ge=1, description="documents in one shard: what a kill can cost at most")
    rows_per_file: int = Field(default=5000, ge=1)
    most_documents: int = Field(default=200_000, ge=1, description="give up when the sets are not full by then")


class SmallWorld(Value):
    """Pipeline directories of different strength; documents take turns with them."""

    generators: tuple[str, ...] = Field(min_length=1)
    painted: float = Field(default=0.0, ge=0, lt=1, description="share of painted attempts in the critic's SFT set")


class Endpoint(Value):
    """A vision-language model at an OpenAI-style endpoint. The key comes from OPENAI_API_KEY, never from a file. Prices
    are in the currency of your choice, per million tokens."""

    model: str
    base_url: str | None = Field(default=None, description="with its /v1; None: OPENAI_BASE_URL")
    flavour: str = Field(default="plain", pattern="^(plain|vllm)$")
    max_tokens: int = Field(default=4096, ge=1)
    temperature: float = Field(default=0.7, ge=0)
    reasks: int = Field(default=2, ge=0, description="questions after an answer that cannot be read")
    price_in: float = Field(default=0.0, ge=0)
    price_out: float = Field(default=0.0, ge=0)


class Drawer(Value):
    """A generator service by URL. It must see the same image store as this program (`blobs`)."""

    name: str
    url: str
    price_per_image: float = Field(default=0.0, ge=0)


class RealWorld(Value):
    """A teacher plans and judges, generators draw, a judge scores (its own endpoint, or the teacher's)."""

    pack: str = "standard"
    teacher: Endpoint
    judge: Endpoint | None = None
    generators: tuple[Drawer, ...] = Field(min_length=1)
    blobs: str = Field(description="the generators' image store: a directory")
    size: Size | None = None
    params: GenerationParams = GenerationParams()
    attempts: int = Field(default=5, ge=1, le=15, description="draws of one step at most; 15 of one trajectory")
    side_by_side: int = Field(default=8, ge=1, description="documents under way at once")
    interleaved: float = Field(default=0.3, ge=0, lt=1, description="share of planner rows with pictures in the input")
    success_semantics: float = Field(default=8.0, ge=0, le=10)
    success_quality: float = Field(default=6.0, ge=0, le=10)
    steps_expected: float = Field(default=5.0, gt=0, description="for the estimate")
    attempts_expected: float = Field(default=1.8, ge=1, description="for the estimate: draws of one step")
    image_tokens: int = Field(default=1024, ge=0, description="for the estimate: tokens of one picture")
    confirm_above: float = Field(default=5.0, ge=0, description="an estimate above this needs --yes")


class DataRecipe(Value):
    """All of it. `sizes` are named; `--size` picks one."""

    seed: int = Field(default=0, ge=0)
    threads: int = Field(default=1, ge=1)
    licence: str = "Apache-2.0"
    sizes: dict[str, Sizes]
    making: Making = Making()
    smallworld: SmallWorld | None = None
    real: RealWorld | None = None


def read_recipe(path: Path) -> DataRecipe:
    """Raises BadSettings, in one line, for a file that is missing, no TOML, or says what nobody reads."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        return DataRecipe.model_validate(said)
    except FileNotFoundError:
        known = ", ".join(sorted(found.name for found in HOME.glob("data.*.toml")))
        raise BadSettings(f"there is no recipe {path}: ours are {known} in {HOME.name}/") from None
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadSettings(f"{path}: {where}: {first['msg']}") from error
