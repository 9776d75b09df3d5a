"""The exact judge: a picture in, the scene that it shows out, with how far each cell is from what it shows.

Every cell is compared with all that the painter could have put there, and the nearest template wins; the setting is
the one that explains the whole picture best. A cell that no template explains well is called smudged, so that a blurred
or blended thing never passes for a right one.

It deliberately does not guess: no learning, no tolerance for a shifted or resized icon, no preference for likely
scenes, and no opinion on whether a thing may appear twice (it reports what is there). It judges pictures of this
small world only; of any other picture it returns some scene with every cell smudged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
from PIL import Image

from smallworld.icons import coverage
from smallworld.ink import GROUND
from smallworld.paint import CONTENTS, GROUNDS, cell_table
from smallworld.scene import CELL_PIXELS, CELLS, GRID, KINDS, PICTURE_PIXELS, SETTINGS, Scene

SMUDGE = 80.0
"""A cell whose mean squared error (0..65025) exceeds this is smudged. Noise of sigma 8 costs 64 and passes."""

_CELL_VALUES = CELL_PIXELS * CELL_PIXELS * 3
_SLICE = 5
# Products are cut into slices of under 2**18 multiplications, below which OpenBLAS stays in one thread. Two threads
# gain little at this size, and on a machine that trains at the same time they wait on each other: 90 ms instead of 2.
_BATCH = 64  # pictures in one product: keeps the score array near 16 MB


@dataclass(frozen=True)
class Reading:
    """What a picture shows. `residuals` has all 16 cells; `smudged` names, in raster order, those above SMUDGE."""

    scene: Scene
    residuals: Mapping[str, float]
    """Squared difference from the best template, averaged over the cell's 32 x 32 x 3 values: 0..65025."""
    smudged: tuple[str, ...]
    quality: float
    """10 * (1 - (mean + worst residual) / (4 * SMUDGE)), never below 0: 10 is flawless, 5 is all cells at SMUDGE."""


@dataclass(frozen=True)
class Comparison:
    """How a reading differs from a wanted scene. `correct` means that nothing differs and nothing is smudged."""

    correct: bool
    wrong: tuple[str, ...]
    """Cells, in raster order, that hold the wrong thing, hold or lack one against the wish, or are smudged."""
    setting_right: bool


@cache
def _icons() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The templates, taken apart: a template is an icon on black plus the ground that shows around it.

    Taken apart, the 3860 templates are 193 icons and 25 masks, so a product of 12 million values becomes one of half a
    million. Returns, in float32: icons in slices (39, 3072, 5), the last two of the 195 blank; how much ground each
    kind, or none, shows (1024, 25); which of these masks each content uses (193,); grounds (4, 5, 3); squared lengths
    of the whole templates (4, 5, 193).
    """
    masks = np.stack([np.ones((CELL_PIXELS, CELL_PIXELS)), *(coverage(kind)[..., GROUND] for kind in KINDS)])
    mask_of = np.array([0 if thing is None else 1 + KINDS.index(thing.kind) for thing in CONTENTS])
    grounds = np.array([GROUNDS[setting] for setting in SETTINGS], np.float32)
    table = cell_table()
    icons = np.zeros((-(-len(CONTENTS) // _SLICE) * _SLICE, _CELL_VALUES), np.float32)
    icons[: len(CONTENTS)] = (table[0, 0] - masks[mask_of][..., None] * grounds[0, 0]).reshape(len(CONTENTS), -1)
    lengths = np.stack([[np.square(cells.astype(np.float32)).sum(axis=(1, 2, 3)) for cells in rows] for rows in table])
    return (
        np.ascontiguousarray(icons.reshape(-1, _SLICE, _CELL_VALUES).transpose(0, 2, 1)),
        np.ascontiguousarray(masks.reshape(len(masks), -1).T.astype(np.float32)),
        mask_of,
        grounds.transpose(1, 0, 2),
        lengths.transpose(1, 0, 2),
    )


def _scores(cells: np.ndarray) -> np.ndarray:
    """|cell - template|^2 less |cell|^2, which decides nothing as it is the same for every template.

    Takes uint8 (pictures, 4 rows, 4 columns, 32, 32, 3); gives float32 (pictures, 4 rows, 4 columns, 5, 193).
    """
    icons, masks, mask_of, grounds, lengths = _icons()
    count, values = len(cells), cells.astype(np.float32)
    on_icons = values.reshape(count, 1, GRID * GRID, -1) @ icons  # picture, slice, cell, place in slice
    on_icons = on_icons.transpose(0, 2, 1, 3).reshape(count, GRID, GRID, 1, -1)[..., : len(CONTENTS)]
    planes = np.ascontiguousarray(np.moveaxis(values, -1, 3)).reshape(-1, 8, len(masks))
    on_masks = (planes @ masks).reshape(count, GRID, GRID, 3, -1)
    on_grounds = grounds[:, None] @ on_masks  # picture, row, column, setting, mask
    return lengths[:, None] - 2.0 * (on_icons + on_grounds[..., mask_of])


def _pixels(image: np.ndarray | Image.Image) -> np.ndarray:
    """The image as uint8 (128, 128, 3): converted to RGB and box-averaged down if it is larger."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8:
            raise ValueError(f"a picture is given as uint8 values 0..255, not as {image.dtype}")
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (3, 4)):
            raise ValueError(f"a picture has shape (height, width, 3), not {image.shape}")
        image = Image.fromarray(image)
    if image.width != image.height:
        raise ValueError(f"a picture of the small world is square, not {image.width} x {image.height} pixels")
    if image.width < PICTURE_PIXELS:
        raise ValueError(f"a picture of the small world is at least {PICTURE_PIXELS} pixels wide, not {image.width}")
    if image.mode != "RGB":
        image = image.convert("RGB")
    if image.width != PICTURE_PIXELS:
        image = image.resize((PICTURE_PIXELS, PICTURE_PIXELS), Image.Resampling.BOX)
    return np.asarray(image)


def _read_some(images: Sequence[np.ndarray | Image.Image]) -> list[Reading]:
    pictures = np.stack([_pixels(image) for image in images])
    count, side = len(pictures), CELL_PIXELS
    cells = pictures.reshape(count, GRID, side, GRID, side, 3).transpose(0, 1, 3, 2, 4, 5)
    scores = _scores(cells)
    settings = scores.min(axis=-1).sum(axis=(1, 2), dtype=np.float64).argmin(axis=-1)
    table, cells = cell_table(), cells.reshape(count, GRID, GRID, -1)
    readings = []
    for i, s in enumerate(settings):
        best = scores[i, :, :, s].argmin(axis=-1)  # (row, column)
        # The residual itself is taken in whole numbers, so that a painted cell has exactly 0.
        nearest = table[s, np.arange(GRID)[:, None], best].reshape(GRID, GRID, -1)
        gaps = nearest.astype(np.int32) - cells[i]
        errors = np.square(gaps).mean(axis=-1)
        found = {cell: CONTENTS[b] for cell, b in zip(CELLS, best.flat, strict=True)}
        scene = Scene(SETTINGS[s], {cell: thing for cell, thing in found.items() if thing is not None})
        residuals = {cell: float(error) for cell, error in zip(CELLS, errors.flat, strict=True)}
        smudged = tuple(cell for cell, error in residuals.items() if error > SMUDGE)
        quality = 10.0 * max(0.0, 1.0 - float(errors.mean() + errors.max()) / (4.0 * SMUDGE))
        readings.append(Reading(scene, MappingProxyType(residuals), smudged, quality))
    return readings


def read_batch(images: Sequence[np.ndarray | Image.Image]) -> list[Reading]:
    """One reading per image, in order, faster than one by one. Takes and raises what `read` does."""
    return [reading for i in range(0, len(images), _BATCH) for reading in _read_some(images[i : i + _BATCH])]


def read(image: np.ndarray | Image.Image) -> Reading:
    """Read one picture: a PIL image of any mode, or uint8 (height, width, 3 or 4) or (height, width).

    The picture is square and at least 128 pixels wide; a larger one is box-averaged down to 128 first. Anything else
    raises ValueError. An alpha channel is dropped.
    """
    return _read_some([image])[0]


def compare(reading: Reading, wanted: Scene) -> Comparison:
    """Hold a reading against the scene that was asked for."""
    shown = reading.scene
    wrong = tuple(
        cell for cell in CELLS if shown.things.get(cell) != wanted.things.get(cell) or cell in reading.smudged
    )
    setting_right = shown.setting == wanted.setting
    return Comparison(setting_right and not wrong, wrong, setting_right)
