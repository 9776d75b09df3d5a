"""From a finished run of `finetune` or `grpo` to the directory that is served: weights, processor, manifest, curve.

`vllm serve DIRECTORY` and `chat.local` read it as it is. The small world's own courses are exported by
`training.export`; measuring, and recording what was measured in the manifest, is evaluation's work.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from interleavethinker.chat.qwen import StillsProcessor
from interleavethinker.checkpoint import Manifest, file_digests, write_manifest
from interleavethinker.codec import load_pack
from interleavethinker.errors import BadCheckpoint
from training.export import stock_processor_files
from training.preflight import FACTS, RECIPE


def export_run(run: Path, to: Path, *, name: str | None = None) -> Path:
    """Write `to`, replacing what was there, whole or not at all. Raises BadCheckpoint when the run is not finished."""
    model = run / "model"
    for path, what in ((run / RECIPE, "no run was begun there"), (model / "config.json", "the run is not finished")):
        if not path.is_file():
            raise BadCheckpoint(f"{run} cannot be exported, {what}: there is no {path.name} in {path.parent}")
    recipe: dict[str, Any] = json.loads((run / RECIPE).read_text())
    facts = json.loads((run / FACTS).read_text()) if (run / FACTS).is_file() else {}
    temporary = to.with_name(to.name + ".new")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(model, temporary)
    complete(temporary)
    for picture in sorted(run.glob("*.png")):
        shutil.copyfile(picture, temporary / picture.name)
    pack = recipe.get("pack") or recipe.get("grpo", {}).get("pack")
    loaded = load_pack(pack) if pack else None
    if loaded and facts.get("pack_digest", loaded.digest) != loaded.digest:
        raise BadCheckpoint(
            f"{run} was trained with another prompt pack {pack!r} than there is now: bring that one back"
        )
    write_manifest(
        temporary,
        Manifest(
            kind="planner" if recipe.get("role") == "planner" else "critic",
            name=name or to.name,
            base=json.dumps(recipe, sort_keys=True),
            pack=loaded.name if loaded else None,
            pack_digest=loaded.digest if loaded else None,
            data_digest=facts.get("data_digest"),
            seed=recipe.get("seed", recipe.get("grpo", {}).get("seed")),
            files=file_digests(temporary),
        ),
    )
    shutil.rmtree(to, ignore_errors=True)
    to.parent.mkdir(parents=True, exist_ok=True)
    temporary.rename(to)
    return to


def complete(directory: Path) -> None:
    """Add the processor files of Qwen's own classes where the base had only ours, which serve stills alone."""
    image, video = directory / "preprocessor_config.json", directory / "video_preprocessor_config.json"
    ours = directory / "processor_config.json"
    if ours.is_file() and json.loads(ours.read_text()).get("processor_class") == StillsProcessor.__name__:
        stock_processor_files(directory)
    elif image.is_file() and not video.is_file():
        said = json.loads(image.read_text())
        kept = {key: value for key, value in said.items() if key != "image_processor_type"}
        kept |= {"video_processor_type": "Qwen3VLVideoProcessor", "processor_class": "Qwen3VLProcessor"}
        video.write_text(json.dumps(kept, indent=2) + "\n")
