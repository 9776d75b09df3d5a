"""docs/models.md has the tables that the presets give, and every preset fits the settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from interleavethinker.chat.presets import presets as chat_presets
from interleavethinker.chat.presets import table as chat_table
from interleavethinker.errors import BadSettings
from interleavethinker.settings import load_section
from services.critic_service.settings import CriticSettings
from services.generator_service.backends.shapes import SHAPES
from services.generator_service.presets import presets
from services.generator_service.presets.table import table
from services.generator_service.settings import GeneratorSettings
from services.planner_service.settings import PlannerSettings

DOCUMENT = Path(__file__).parents[2] / "docs" / "models.md"
PREFIX = "INTERLEAVETHINKER_"
SECTIONS = {"planner": PlannerSettings, "critic": CriticSettings}


def serve() -> str:
    return f"    {chat_presets()['qwen3-vl-8b-instruct'].serve}"


@pytest.mark.parametrize(
    ("name", "made"), [("image models", table), ("language models", chat_table), ("serve", serve)], ids=lambda x: str(x)
)
def test_the_document_has_the_tables(name: str, made):  # type: ignore[no-untyped-def]
    found = re.search(rf"<!-- {name}: begin -->\n(.*?)\n?<!-- {name}: end -->", DOCUMENT.read_text(), re.DOTALL)
    assert found and found[1].strip("\n") == made(), f"write what {made.__module__}.{made.__name__} gives"


@pytest.mark.parametrize("name", presets())
def test_an_image_preset_fits(name: str):
    chosen, settings = presets()[name], GeneratorSettings(preset=name)
    assert settings.model == chosen.model
    assert settings.model_id == (f"{chosen.model}@{chosen.commit}" if chosen.commit else chosen.model)
    shape = SHAPES[chosen.pipeline]
    assert chosen.partner or {shape.partner} >= {chosen.edits_by or chosen.draws_by}
    assert SHAPES[chosen.draws_by or chosen.pipeline].blank and SHAPES[chosen.edits_by or chosen.pipeline].edits


@pytest.mark.parametrize("name", presets())
def test_an_image_presets_call_is_known_to_its_classes(name: str):
    diffusers, inspect = pytest.importorskip("diffusers"), pytest.importorskip("inspect")
    chosen = presets()[name]
    ways = {chosen.pipeline, chosen.edits_by or chosen.pipeline, chosen.draws_by or chosen.pipeline}
    taken = {each for way in ways for each in inspect.signature(getattr(diffusers, way).__call__).parameters}
    edits = inspect.signature(getattr(diffusers, chosen.edits_by or chosen.pipeline).__call__).parameters
    assert chosen.call.keys() <= taken and chosen.edit_call.keys() <= edits.keys()


def test_a_preset_in_the_environment_replaces_the_profiles_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"{PREFIX}GENERATOR__PRESET", "sdxl")
    settings = load_section("generator", GeneratorSettings)  # the profile cpu names a directory, imports and a size
    assert settings.model_id.startswith("stabilityai/stable-diffusion-xl-base-1.0@46216598")
    assert (settings.imports, settings.reference_pixels, settings.dtype) == ((), None, "auto")
    monkeypatch.setenv(f"{PREFIX}GENERATOR__MODEL", "someone/finetune")
    assert load_section("generator", GeneratorSettings).model_id == "someone/finetune"  # not with sdxl's commit
    monkeypatch.setenv(f"{PREFIX}GENERATOR__COMMIT", "ab" * 20)
    assert load_section("generator", GeneratorSettings).model_id == f"someone/finetune@{'ab' * 20}"


def test_a_preset_can_be_taken_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"{PREFIX}PROFILE", "gpu")
    assert load_section("generator", GeneratorSettings).preset == "flux2-klein-4b"
    monkeypatch.setenv(f"{PREFIX}GENERATOR__PRESET", "none")
    monkeypatch.setenv(f"{PREFIX}GENERATOR__MODEL", "someone/other")
    settings = load_section("generator", GeneratorSettings)
    assert (settings.preset, settings.model_id, settings.call) == (None, "someone/other", {})


def test_unknown_presets_name_the_known_ones(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"{PREFIX}GENERATOR__PRESET", "flux")
    with pytest.raises(BadSettings, match=r"generator\.preset is 'flux': write one of flux1-kontext, flux2-klein-4b"):
        load_section("generator", GeneratorSettings)
    monkeypatch.setenv(f"{PREFIX}PLANNER__PRESET", "qwen")
    with pytest.raises(BadSettings, match=r"planner\.preset is 'qwen': write one of"):
        load_section("planner", PlannerSettings)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_released_checkpoint_wants_its_prompts(section: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"{PREFIX}{section.upper()}__PRESET", f"interleavethinker-{section}-8b")
    with pytest.raises(BadSettings, match=rf"trained on prompts that do not come .* set {section}\.pack"):
        load_section(section, SECTIONS[section])
    monkeypatch.setenv(f"{PREFIX}{section.upper()}__PACK", "packs/paper")
    settings = load_section(section, SECTIONS[section])
    assert (settings.backend, settings.pack) == ("openai", "packs/paper")
    assert settings.model.startswith("InterleaveThinker/InterleaveThinker-")


def test_a_critic_plans_nothing():
    with pytest.raises(BadSettings, match=r"planner\.preset is 'interleavethinker-critic-8b', a critic"):
        PlannerSettings(preset="interleavethinker-critic-8b")
