"""Encoded pictures on their way in: a reference is scaled down to what the model knows, and never up."""

from __future__ import annotations

from PIL import Image

from services.generator_service.pictures import fitted


def test_an_enlarged_picture_is_scaled_back_to_its_own_pixels():
    small = Image.radial_gradient("L").resize((128, 128)).convert("RGB")
    large = small.resize((512, 512), Image.Resampling.NEAREST)
    assert fitted(large, 128 * 128).tobytes() == small.tobytes()


def test_the_shape_is_kept_and_small_pictures_are_left_alone():
    wide = Image.new("RGB", (400, 100))
    assert fitted(wide, 10_000).size == (200, 50)
    assert fitted(wide, 40_000) is wide
    assert fitted(wide, None) is wide
