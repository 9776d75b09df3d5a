"""The models that the settings name: there, whole, safe to load, and served with the prompts they were trained on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from interleavethinker.checkpoint import check_files, check_pack, read_manifest
from interleavethinker.codec import load_pack
from interleavethinker.doctor.finding import Finding, note, ok, wrong
from interleavethinker.errors import BadCheckpoint, BadSettings
from interleavethinker.settings import PREFIX, find_path
from interleavethinker.weights import refuse_unsafe

ROLES = ("planner", "critic", "generator")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{7,40}")


def models(sections: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    further = [name for name in sections if name.startswith("generators.")]
    for role in (*ROLES, *further):
        if facts := sections.get(role):
            yield _model(role, facts)


def _model(role: str, facts: dict[str, Any]) -> Finding:
    backend, model = facts.get("backend"), str(facts.get("model") or "")
    if backend == "openai":
        return _served(role, facts, model)
    if backend not in ("local", "diffusers"):
        return note(role, f"{model or 'a model'} is drawn with by {backend}; its server is not called from here")
    path = find_path(model)
    if path.is_dir():
        return _checkpoint(role, facts, path)
    name, _, commit = model.partition("@")
    if HUB_ID.fullmatch(name) and not name.startswith(("checkpoints/", "var/")):
        return _hub(role, facts, name, commit)
    variable = _variable(role, "MODEL")
    return wrong(
        role,
        f"there is no checkpoint {model}",
        f"fetch or train it (`make train-{role.partition('s.')[0]}`), or set {variable}",
    )


def _variable(role: str, field: str) -> str:
    """The environment's name for a field of the role's section."""
    return f"{PREFIX}{role.replace('.', '__').upper()}__{field}"


def _checkpoint(role: str, facts: dict[str, Any], path: Path) -> Finding:
    again = f"fetch {path} again"
    try:
        refuse_unsafe(path, str(path))
        manifest = read_manifest(path)
        if manifest is None:
            return note(role, f"{path} has no manifest: whether it is whole cannot be told")
        check_files(manifest, path)
        told = f"{manifest.name}@{manifest.content_digest[:12]}, {len(manifest.files)} files as they were written"
        if pack := facts.get("pack"):
            again = f"set {_variable(role, 'PACK')}={manifest.pack}"
            check_pack(manifest, load_pack(pack))
            told += f", trained on pack {pack}"
    except (BadCheckpoint, BadSettings) as error:
        return wrong(role, error.detail, again)
    return ok(role, told)


def _hub(role: str, facts: dict[str, Any], name: str, commit: str) -> Finding:
    """A Hugging Face id: named by a commit where that is asked for, and whether it was fetched."""
    if facts.get("pinned") and not COMMIT.fullmatch(commit):
        variable = _variable(role, "MODEL")
        return wrong(role, f"{name} names no commit, which is refused", f"set {variable}={name}@<commit>")
    snapshots = hub_cache() / f"models--{name.replace('/', '--')}" / "snapshots"
    there = any(each.name.startswith(commit) for each in snapshots.iterdir()) if snapshots.is_dir() else False
    fetch = f"hf download {name}" + (f" --revision {commit}" if commit else "")
    if there:
        return ok(role, f"{name}@{commit or 'newest'} is in {hub_cache()}")
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return wrong(role, f"{name} was not fetched, and HF_HUB_OFFLINE forbids it", fetch)
    return note(role, f"{name} will be fetched at the first start", fetch)


def hub_cache() -> Path:
    """Where Hugging Face's library keeps what it fetched."""
    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def _served(role: str, facts: dict[str, Any], model: str) -> Finding:
    """A model behind a URL of OpenAI's protocol."""
    url = facts.get("base_url") or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    key = os.environ.get(f"{PREFIX}{role.upper()}__API_KEY") or os.environ.get("OPENAI_API_KEY")
    variable = f"{PREFIX}{role.upper()}"
    try:
        answer = httpx2.get(
            f"{url.rstrip('/')}/models", headers={"Authorization": f"Bearer {key}"} if key else None, timeout=5.0
        )
        names = [each["id"] for each in answer.json()["data"]] if answer.is_success else []
    except (httpx2.TransportError, httpx2.InvalidURL) as error:
        return wrong(
            role, f"{url} does not answer: {error}", f"start `vllm serve {model}`, or set {variable}__BASE_URL"
        )
    except (ValueError, KeyError, TypeError):
        return note(role, f"{url} answers, and lists no models")
    if not answer.is_success:
        return wrong(role, f"{url} answers {answer.status_code}", f"set {variable}__API_KEY or __BASE_URL")
    if model not in names:
        return wrong(
            role, f"{url} serves no {model}, but {', '.join(names[:5])}", f"set {variable}__MODEL to one of them"
        )
    return ok(role, f"{model} at {url}")
