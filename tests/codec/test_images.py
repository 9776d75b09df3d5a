"""Images as the models are shown them."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from interleavethinker.codec import ImageLimits
from interleavethinker.codec.images import blank, cap_pixels, dimensions, planner_images
from interleavethinker.errors import BadRequest


def encoded(width: int, height: int, mode: str = "RGB", form: str = "PNG") -> bytes:
    data = io.BytesIO()
    Image.new(mode, (width, height)).save(data, form)
    return data.getvalue()


def test_the_blank_is_white() -> None:
    image = Image.open(io.BytesIO(blank(24, 16)))
    assert (image.size, image.getcolors()) == ((24, 16), [(24 * 16, (255, 255, 255))])
    assert blank(24, 16) == blank(24, 16)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_dimensions(form: str) -> None:
    assert dimensions(encoded(30, 20, form=form)) == (30, 20)


@pytest.mark.parametrize(
    ("size", "limit"), [((100, 50), 800), ((50, 100), 799), ((4000, 1), 100), ((1, 300), 7), ((9, 9), 1)]
)
def test_an_image_is_made_to_fit_in_its_shape(size: tuple[int, int], limit: int) -> None:
    width, height = dimensions(cap_pixels(encoded(*size), limit))
    assert 0 < width * height <= limit
    if min(width, height) > 10:
        assert width / height == pytest.approx(size[0] / size[1], rel=0.1)


def test_an_image_that_fits_is_left_alone() -> None:
    data = encoded(40, 20, form="JPEG")
    assert cap_pixels(data, 800) is data


def test_what_is_transparent_becomes_white() -> None:
    small = Image.open(io.BytesIO(cap_pixels(encoded(40, 40, mode="RGBA"), 100)))
    assert small.getcolors() == [(100, (255, 255, 255))]


def test_five_images_are_shown_smaller() -> None:
    large = encoded(600, 400)
    assert planner_images([large] * 4) == [large] * 4
    shown = [dimensions(data) for data in planner_images([large] * 5)]
    assert all(width * height <= 384 * 384 for width, height in shown)
    assert shown[0][0] / shown[0][1] == pytest.approx(1.5, rel=0.02)
    tight = ImageLimits(max_pixels=10_000, many_from=2, many_pixels=100)
    assert dimensions(planner_images([large], tight)[0]) == (122, 81)


@pytest.mark.parametrize("data", [b"", b"not an image", encoded(8, 8, form="GIF"), encoded(8, 8)[:20]])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest, match="png, jpeg or webp"):
        dimensions(data)


def test_an_image_cut_short_is_refused() -> None:
    noise = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(noise, "PNG")
    with pytest.raises(BadRequest, match="damaged"):
        cap_pixels(noise.getvalue()[:500], 100)
