"""Checkpoints opened behind the ports, batched: the services' own planner and critic, and the generator's pipeline."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from interleavethinker.checkpoint import file_digests
from interleavethinker.codec import CriticCodec, PlannerCodec, load_pack
from services.critic_service.service import CriticService
from services.critic_service.settings import CriticSettings
from services.planner_service.service import PlannerService
from services.planner_service.settings import PlannerSettings
from training.batched import BatchedChat, MemoryBlobs

PACK = "compact"


def open_planner(directory: Path, blobs: MemoryBlobs) -> PlannerService:
    """The planner as it is served, asked once: a greedy model would say the same again."""
    settings = PlannerSettings(model=str(directory), pack=PACK, max_tokens=600, reasks=0)
    return PlannerService(BatchedChat(directory), PlannerCodec(load_pack(PACK)), blobs, settings)


def open_critic(directory: Path, blobs: MemoryBlobs) -> CriticService:
    """The critic as it is served, asked once."""
    settings = CriticSettings(model=str(directory), pack=PACK, max_tokens=200, reasks=0)
    return CriticService(BatchedChat(directory), CriticCodec(load_pack(PACK)), blobs, settings)


def digest(directory: Path) -> str:
    """SHA-256 over the names and contents of a checkpoint's files, its manifest and its pictures left out."""
    files = {name: value for name, value in file_digests(directory).items() if not name.endswith(".png")}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
