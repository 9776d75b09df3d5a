"""Encoded pictures on their way in, scaled down to what the model knows and never up; and out, marked as generated."""

from __future__ import annotations

import io
from xml.etree import ElementTree

from PIL import Image

from interleavethinker.exports.provenance import TRAINED_ALGORITHMIC_MEDIA
from interleavethinker.types import ImageJob
from services.generator_service.pictures import GENERATED, fitted, marked_png

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def test_an_enlarged_picture_is_scaled_back_to_its_own_pixels():
    small = Image.radial_gradient("L").resize((128, 128)).convert("RGB")
    large = small.resize((512, 512), Image.Resampling.NEAREST)
    assert fitted(large, 128 * 128).tobytes() == small.tobytes()


def test_the_shape_is_kept_and_small_pictures_are_left_alone():
    wide = Image.new("RGB", (400, 100))
    assert fitted(wide, 10_000).size == (200, 50)
    assert fitted(wide, 40_000) is wide
    assert fitted(wide, None) is wide


JOB = ImageJob(prompt='a "red" <cat> ☃\u202e & \x1b[2J', seed=7)


def test_a_drawing_says_what_made_it_in_text_and_in_xmp():
    data = marked_png(Image.new("RGB", (8, 8)), JOB, 'a&b "model"@1')
    said = Image.open(io.BytesIO(data)).info
    assert (said["Software"], said["Source"]) == ("InterleaveThinker", "AI-generated")
    assert said["DigitalSourceType"] == GENERATED == TRAINED_ALGORITHMIC_MEDIA
    assert (said["Model"], said["Job"], said["Seed"]) == ('a&b "model"@1', JOB.id, "7")
    assert said["Prompt"] == 'a "red" <cat> ☃  &  [2J'
    xmp = said["XML:com.adobe.xmp"]
    (description,) = ElementTree.fromstring(xmp.split("?>", 1)[1].rsplit("<?", 1)[0]).iter(f"{RDF}Description")
    assert description.get("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType") == GENERATED
    assert description.get("{http://ns.adobe.com/photoshop/1.0/}Source") == 'a&b "model"@1'


def test_equal_drawings_are_equal_bytes():
    one, two = (marked_png(Image.new("RGB", (8, 8), "red"), JOB, "model@1") for _ in range(2))
    assert one == two != marked_png(Image.new("RGB", (8, 8), "red"), JOB, "model@2")
