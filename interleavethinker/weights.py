"""What a checkpoint's directory may hold: safetensors and data, nothing that could run when it is loaded.

Pickles run what they please, and so does code that comes with a model. Loaders are told the same (`use_safetensors`,
no remote code); this looks before they do, and says what to convert. Deliberately not here: whether the files are the
right ones (`checkpoint`).
"""

from __future__ import annotations

from pathlib import Path

from interleavethinker.errors import BadCheckpoint

UNSAFE = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle", ".npy", ".h5", ".py", ".pyc", ".so", ".dll"})


def refuse_unsafe(folder: Path, name: str) -> None:
    """Raises BadCheckpoint that names the files."""
    unsafe = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix.lower() in UNSAFE)
    if unsafe:
        raise BadCheckpoint(
            f"{name} holds {', '.join(unsafe[:5])}{' and more' if len(unsafe) > 5 else ''}: only safetensors and data "
            "are loaded, since other files can run code; convert the weights and leave the rest out"
        )
