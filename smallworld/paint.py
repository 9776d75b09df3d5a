"""The painter: a scene in, its picture out, exactly and always the same.

A picture is 4 x 4 cells of 32 x 32 pixels, and a cell's pixels depend only on the setting, the row and what the cell
holds. Painting is therefore a look-up in a table of cells that is drawn once per process, on first use.

This is the ground truth that a generator learns from and that `measure` reads back. It deliberately has no chance in
it, no lighting, no overlap between cells, and no scene rules: it paints whatever the scene says.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

from smallworld.icons import coverage
from smallworld.ink import INKS, palette
from smallworld.scene import (
    CELL_PIXELS,
    COLOURS,
    GRID,
    KINDS,
    PICTURE_PIXELS,
    SETTINGS,
    Scene,
    Thing,
    cell_column,
    cell_row,
)

GROUNDS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "meadow": ((158, 208, 244), (190, 226, 250), (164, 214, 112), (138, 194, 88)),
    "beach": ((104, 206, 230), (146, 224, 230), (86, 188, 204), (242, 218, 164)),
    "snow": ((196, 208, 224), (218, 222, 230), (238, 244, 252), (222, 233, 248)),
    "night": ((48, 58, 124), (66, 82, 152), (46, 102, 116), (38, 84, 94)),
    "table": ((252, 238, 208), (244, 225, 186), (200, 150, 102), (178, 126, 80)),
}
"""RGB of each setting's four rows, top to bottom: two of sky (or wall), two of ground (or water, or wood)."""

CONTENTS: tuple[Thing | None, ...] = (None, *(Thing(colour, kind) for kind in KINDS for colour in COLOURS))
"""What a cell can hold, in the order of the table's third axis: nothing first, then the 192 things."""

CONTENT_INDEX: dict[Thing | None, int] = {content: index for index, content in enumerate(CONTENTS)}


@cache
def cell_table() -> np.ndarray:
    """Every cell there can be: read-only uint8 (5 settings, 4 rows, 193 contents, 32, 32, 3), about 12 MB."""
    side = CELL_PIXELS
    table = np.empty((len(SETTINGS), GRID, len(CONTENTS), side, side, 3), np.uint8)
    for s, setting in enumerate(SETTINGS):
        for row, ground in enumerate(GROUNDS[setting]):
            table[s, row, 0] = ground
            for kind in KINDS:
                # All eight colours of a kind in one product: a pixel is its inks' shares times the inks' colours.
                palettes = np.concatenate([palette(colour, ground) for colour in COLOURS], axis=1)
                flat = coverage(kind).reshape(side * side, INKS) @ palettes
                cells = flat.reshape(side, side, len(COLOURS), 3).transpose(2, 0, 1, 3)
                first = CONTENT_INDEX[Thing(COLOURS[0], kind)]
                table[s, row, first : first + len(COLOURS)] = np.rint(cells).astype(np.uint8)
    table.setflags(write=False)
    return table


def cell_image(setting: str, row: int, thing: Thing | None) -> np.ndarray:
    """One cell, read-only uint8 (32, 32, 3). `row` is 0 (top) to 3; an unknown setting or row raises ValueError."""
    if setting not in GROUNDS or not 0 <= row < GRID:
        raise ValueError(f"no such place in the small world: setting {setting!r}, row {row!r}")
    return cell_table()[SETTINGS.index(setting), row, CONTENT_INDEX[thing]]


def icon(kind: str, colour: str = "red") -> Image.Image:
    """The bare icon on a transparent ground, RGBA 32 x 32. An unknown kind or colour raises ValueError."""
    Thing(colour, kind)  # refuses unknown names
    shares = coverage(kind)
    alpha = 1.0 - shares[..., :1]
    rgb = shares @ palette(colour, (0, 0, 0)) / np.maximum(alpha, 1e-6)
    rgba = np.concatenate([np.clip(rgb, 0, 255), alpha * 255], axis=-1)
    return Image.fromarray(np.rint(rgba).astype(np.uint8), "RGBA")


def paint(scene: Scene) -> np.ndarray:
    """The scene's picture, a fresh uint8 (128, 128, 3) RGB array."""
    ground = cell_table()[SETTINGS.index(scene.setting)]
    contents = np.zeros((GRID, GRID), np.intp)
    for cell, thing in scene.things.items():
        contents[cell_row(cell), cell_column(cell)] = CONTENT_INDEX[thing]
    cells = ground[np.arange(GRID)[:, None], contents]
    return cells.transpose(0, 2, 1, 3, 4).reshape(PICTURE_PIXELS, PICTURE_PIXELS, 3)


def picture(scene: Scene) -> Image.Image:
    """The scene's picture as a 128 x 128 RGB image."""
    return Image.fromarray(paint(scene))


def enlarge(image: Image.Image | np.ndarray, factor: int = 4) -> Image.Image:
    """The image with every pixel a `factor` x `factor` square, so that people see it crisply."""
    if factor < 1:
        raise ValueError(f"an enlargement factor is at least 1, not {factor}")
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
