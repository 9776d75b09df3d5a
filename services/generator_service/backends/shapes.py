"""How each diffusers pipeline class is called: data, so that `diffusers` holds no list of families.

What a pipeline takes is read from its signature; here stands what a signature does not say: where references go, how
many are looked at, what the prompt must say of them, and which class of the same components does what it does not.
Each was read from the class's source in diffusers 0.42; tests/services/test_families.py runs every one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """`references`: the argument that takes them, None where the class draws from text only. `most` of them are looked
    at, the first ones; None: as many as come. `as_list`: also a single one is given as a list. `canvas`: the reference
    is scaled to the picture's size, since the class does not.

    `blank`: whether it draws without a reference. `partner`: the class, made of the same components, that does what
    this one does not. `marks`: put before the prompt for each reference, {n} counts from 1. `multiple`: width and
    height are rounded to it. `area`: an argument that holds width x height. `guidance`: what a job's guidance_scale is
    called here.
    """

    references: str | None = "image"
    most: int | None = None
    as_list: bool = False
    canvas: bool = False
    blank: bool = True
    partner: str | None = None
    marks: str = ""
    multiple: int = 1
    area: str | None = None
    guidance: str = "guidance_scale"

    @property
    def edits(self) -> bool:
        return self.references is not None


SHAPES = {
    "Flux2KleinPipeline": Shape(most=4),
    "Flux2KleinKVPipeline": Shape(most=4),
    "Flux2Pipeline": Shape(most=8),
    "FluxKontextPipeline": Shape(most=1, multiple=16, area="max_area"),
    "QwenImagePipeline": Shape(
        references=None, partner="QwenImageImg2ImgPipeline", multiple=16, guidance="true_cfg_scale"
    ),
    "QwenImageImg2ImgPipeline": Shape(most=1, canvas=True, blank=False, multiple=16, guidance="true_cfg_scale"),
    "QwenImageEditPipeline": Shape(
        most=1, blank=False, partner="QwenImagePipeline", multiple=16, guidance="true_cfg_scale"
    ),
    "QwenImageEditPlusPipeline": Shape(
        most=3, as_list=True, blank=False, partner="QwenImagePipeline", multiple=16, guidance="true_cfg_scale"
    ),
    "ZImagePipeline": Shape(references=None, partner="ZImageImg2ImgPipeline", multiple=16),
    "ZImageImg2ImgPipeline": Shape(most=1, canvas=True, blank=False, multiple=16),
    "StableDiffusion3Pipeline": Shape(references=None, partner="StableDiffusion3Img2ImgPipeline", multiple=16),
    "StableDiffusion3Img2ImgPipeline": Shape(most=1, canvas=True, blank=False, multiple=16),
    "StableDiffusionXLPipeline": Shape(references=None, partner="StableDiffusionXLImg2ImgPipeline", multiple=8),
    "StableDiffusionXLImg2ImgPipeline": Shape(most=1, canvas=True, blank=False, multiple=8),
    "StableDiffusionXLInstructPix2PixPipeline": Shape(most=1, canvas=True, blank=False, multiple=8),
    "OmniGenPipeline": Shape(
        references="input_images", most=3, as_list=True, multiple=16, marks="<img><|image_{n}|></img>"
    ),
    "LongCatImagePipeline": Shape(references=None, multiple=16),
    "LongCatImageEditPipeline": Shape(most=1, canvas=True, blank=False, partner="LongCatImagePipeline", multiple=16),
}


def shape_of(pipeline: type, parameters: frozenset[str]) -> Shape:
    """A class that nobody has looked at is taken by its signature: one with `image` draws and edits."""
    known = next((SHAPES[base.__name__] for base in pipeline.__mro__ if base.__name__ in SHAPES), None)
    return known or Shape(references="image" if "image" in parameters else None)
