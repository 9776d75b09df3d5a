"""Encoded pictures in and out: references are opened with limits, drawings are marked as generated.

The same drawing gives the same bytes: nothing of the moment or the machine goes into the file.
"""

from __future__ import annotations

import io
from string import Template
from xml.sax.saxutils import quoteattr

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from interleavethinker.codec import plain
from interleavethinker.errors import BadRequest
from interleavethinker.types import ImageJob

FORMATS = ("PNG", "JPEG", "WEBP")
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for media made by a trained model (EU AI Act, art. 50)."""
_XMP = Template(
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="InterleaveThinker" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:Source=$model '
    'Iptc4xmpExt:DigitalSourceType="$source"/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)


def open_reference(data: bytes, *, name: str, max_pixels: int, on_white: bool = False) -> Image.Image:
    """The picture in RGB; `on_white`: what is transparent in it. The header is checked before anything is decoded;
    raises BadRequest."""
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > max_pixels:
            raise BadRequest(f"{name} has {picture.width} x {picture.height} pixels; at most {max_pixels} are allowed")
        if not (on_white and picture.has_transparency_data):
            return picture.convert("RGB")
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture.convert("RGBA"))
        return white.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadRequest(f"{name} is no readable {', '.join(FORMATS)} picture") from error


def fitted(picture: Image.Image, most_pixels: int | None) -> Image.Image:
    """The picture, scaled down with its shape kept where it has more than `most_pixels`."""
    if most_pixels is None or picture.width * picture.height <= most_pixels:
        return picture
    scale = (most_pixels / (picture.width * picture.height)) ** 0.5
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.BOX)  # BOX gives an enlarged picture's own pixels back


def marked_png(picture: Image.Image, job: ImageJob, model: str, *, level: int = 1) -> bytes:
    """PNG with its provenance in text fields and in XMP, where other software looks for it: that it is generated, by
    what, and from which job, prompt and seed. No time and no machine: equal jobs give equal bytes.
    `level`: zlib's, of the compression, 0 to 9."""
    marks = PngImagePlugin.PngInfo()
    marks.add_text("Software", "InterleaveThinker")
    marks.add_text("Source", "AI-generated")
    marks.add_text("DigitalSourceType", GENERATED)
    marks.add_itxt("Model", model)
    marks.add_text("Job", job.id)
    marks.add_text("Seed", str(job.seed))
    marks.add_itxt("Prompt", plain(job.prompt))
    marks.add_itxt("XML:com.adobe.xmp", _XMP.substitute(source=GENERATED, model=quoteattr(model)))
    out = io.BytesIO()
    picture.save(out, format="PNG", pnginfo=marks, compress_level=level)
    return out.getvalue()
