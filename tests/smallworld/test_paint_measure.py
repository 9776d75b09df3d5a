"""The painter and the judge against each other: what is painted is read back, and no damage passes for right."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image, ImageFilter

from smallworld.measure import SMUDGE, compare, read, read_batch
from smallworld.paint import CONTENTS, GROUNDS, cell_image, enlarge, icon, paint, picture
from smallworld.scene import CELL_PIXELS, CELLS, COLOURS, GRID, KINDS, SETTINGS, Scene, Thing, cell_column, cell_row

SUN, CAR, CAT = Thing("yellow", "sun"), Thing("blue", "car"), Thing("orange", "cat")
SCENE = Scene("meadow", {"b1": SUN, "c3": CAR, "a4": CAT})


def random_scenes(count: int, seed: int = 0) -> list[Scene]:
    rng = random.Random(seed)
    return [
        Scene(rng.choice(SETTINGS), {cell: rng.choice(CONTENTS[1:]) for cell in rng.sample(CELLS, rng.randint(0, 16))})
        for _ in range(count)
    ]


def window(cell: str) -> tuple[slice, slice]:
    top, left = cell_row(cell) * CELL_PIXELS, cell_column(cell) * CELL_PIXELS
    return slice(top, top + CELL_PIXELS), slice(left, left + CELL_PIXELS)


def blurred(pixels: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


# --- the painter -----------------------------------------------------------------------------------------------------


def test_a_picture_is_made_of_its_cells():
    pixels = paint(SCENE)
    assert pixels.shape == (128, 128, 3) and pixels.dtype == np.uint8
    for cell in CELLS:
        assert np.array_equal(pixels[window(cell)], cell_image("meadow", cell_row(cell), SCENE.things.get(cell)))


def test_a_picture_is_the_callers_own_and_a_cell_is_not():
    pixels = paint(SCENE)
    pixels[:] = 0
    assert paint(SCENE).any()
    with pytest.raises(ValueError):
        cell_image("meadow", 0, SUN)[:] = 0


def test_unknown_places_and_factors_are_refused():
    for setting, row in (("moonscape", 0), ("meadow", 4), ("meadow", -1)):
        with pytest.raises(ValueError, match="no such place"):
            cell_image(setting, row, None)
    with pytest.raises(ValueError, match="at least 1"):
        enlarge(picture(SCENE), 0)


@pytest.mark.parametrize("row", range(GRID))
def test_settings_differ_in_every_row(row):
    grounds = np.array([GROUNDS[setting][row] for setting in SETTINGS], float)
    distances = np.linalg.norm(grounds[:, None] - grounds[None], axis=-1)[np.triu_indices(len(SETTINGS), 1)]
    assert distances.min() >= 30


def test_icons_are_distinct_and_mostly_fill_their_cell():
    alphas = [np.asarray(icon(kind))[..., 3] / 255.0 for kind in KINDS]
    for kind, alpha in zip(KINDS, alphas, strict=True):
        rows, columns = np.nonzero(alpha > 0.5)
        assert max(np.ptp(rows), np.ptp(columns)) >= 24, kind
        assert alpha.mean() > 0.2, kind
    for i, kind in enumerate(KINDS):
        for other in KINDS[:i]:
            gap = np.asarray(icon(kind), float) - np.asarray(icon(other), float)
            assert np.square(gap).mean() > 500, (kind, other)


# --- reading what was painted ----------------------------------------------------------------------------------------


def test_random_scenes_read_back_exactly():
    scenes = random_scenes(400)
    readings = read_batch([paint(scene) for scene in scenes])
    assert {scene.setting for scene in scenes} == set(SETTINGS)
    for scene, reading in zip(scenes, readings, strict=True):
        assert reading.scene == scene and reading.quality == 10 and set(reading.residuals.values()) == {0.0}
        assert compare(reading, scene).correct


def test_every_cell_image_reads_back():
    scenes = []
    for setting in SETTINGS:
        for row in range(GRID):
            names = [cell for cell in CELLS if cell_row(cell) == row]
            for start in range(0, len(CONTENTS), GRID):
                held = zip(names, CONTENTS[start : start + GRID], strict=False)
                scenes.append(Scene(setting, {cell: thing for cell, thing in held if thing}))
    for scene, reading in zip(scenes, read_batch([paint(scene) for scene in scenes]), strict=True):
        assert reading.scene == scene


def test_things_may_appear_twice():
    twice = Scene("snow", dict.fromkeys(CELLS, CAT))
    assert read(paint(twice)).scene == twice


def test_one_by_one_and_batch_agree():
    scenes = random_scenes(70, seed=1)
    pictures = [paint(scene) for scene in scenes]
    assert read_batch(pictures) == [read(pixels) for pixels in pictures]
    assert read_batch([]) == []


def test_enlarged_and_converted_images_read_the_same():
    plain = read(paint(SCENE))
    small = picture(SCENE)
    for image in (small, enlarge(small, 4), enlarge(small, 3), small.convert("RGBA"), np.asarray(enlarge(small, 8))):
        assert read(image) == plain
    odd = read(small.resize((500, 500), Image.Resampling.NEAREST))
    assert odd.scene == SCENE


def test_what_cannot_be_a_picture_is_refused_in_words():
    small = picture(SCENE)
    with pytest.raises(ValueError, match="square, not 128 x 256"):
        read(small.resize((128, 256)))
    with pytest.raises(ValueError, match="at least 128 pixels wide, not 64"):
        read(small.resize((64, 64)))
    with pytest.raises(ValueError, match="uint8"):
        read(paint(SCENE).astype(np.float32))
    with pytest.raises(ValueError, match="shape"):
        read(np.zeros((128, 128, 7), np.uint8))


# --- damage ----------------------------------------------------------------------------------------------------------


def test_mild_noise_does_not_disturb():
    noise = np.random.default_rng(0)
    scenes = random_scenes(100, seed=2)
    noisy = [np.clip(paint(scene) + noise.normal(0, 8, (128, 128, 3)), 0, 255).astype(np.uint8) for scene in scenes]
    for scene, reading in zip(scenes, read_batch(noisy), strict=True):
        assert compare(reading, scene).correct
        assert 4 < reading.quality < 10


def test_thing_erased_recoloured_or_moved_is_named():
    changes = {
        ("c3",): SCENE.replace(c3=None),
        ("a4",): SCENE.replace(a4=Thing("black", "cat")),
        ("b1", "d2"): SCENE.replace(b1=None, d2=SUN),
        ("d4",): SCENE.replace(d4=CAT),
    }
    for wrong, changed in changes.items():
        comparison = compare(read(paint(changed)), SCENE)
        assert not comparison.correct and comparison.setting_right and comparison.wrong == wrong


def test_wrong_setting_is_told():
    comparison = compare(read(paint(SCENE.on("night"))), SCENE)
    assert not comparison.correct and not comparison.setting_right and comparison.wrong == ()


def test_blend_of_two_kinds_is_smudged():
    rng = random.Random(3)
    pictures, scenes = [], []
    for _ in range(1000):
        setting, cell = rng.choice(SETTINGS), rng.choice(CELLS)
        kinds = rng.sample(KINDS, 2)
        first, second = (Thing(rng.choice(COLOURS), kind) for kind in kinds)
        scene = Scene(setting, {cell: first})
        mixed = 0.7 * paint(scene) + 0.3 * paint(scene.replace(**{cell: second}))
        pictures.append(np.rint(mixed).astype(np.uint8))
        scenes.append((scene, cell))
    for (scene, cell), reading in zip(scenes, read_batch(pictures), strict=True):
        comparison = compare(reading, scene)
        assert comparison.wrong == (cell,) and reading.smudged == (cell,), (str(scene), reading.residuals[cell])


@pytest.mark.parametrize("damage", ["shifted", "blurred"])
def test_shifted_or_blurred_thing_is_never_right(damage):
    pictures, scenes = [], []
    for index, thing in enumerate(CONTENTS[1:]):
        for setting in SETTINGS:
            cell = CELLS[index % len(CELLS)]
            scene = Scene(setting, {cell: thing})
            pixels, at = paint(scene), window(cell)
            pixels[at] = np.roll(pixels[at], 1, axis=1) if damage == "shifted" else blurred(pixels[at], 2.0)
            pictures.append(pixels)
            scenes.append((scene, cell))
    for (scene, cell), reading in zip(scenes, read_batch(pictures), strict=True):
        assert cell in compare(reading, scene).wrong, (scene, reading.residuals[cell])


def test_residual_and_quality_are_what_they_say():
    pixels = paint(Scene("table"))
    pixels[window("b2")] -= 20  # table's second row is far from 0: no wrap
    reading = read(pixels)
    assert reading.residuals["b2"] == 400 and reading.smudged == ("b2",)
    assert reading.quality == max(0.0, 10 * (1 - (400 / 16 + 400) / (4 * SMUDGE)))
    assert read(np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)).quality == 0
