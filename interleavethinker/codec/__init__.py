"""The one codec: how plans and verdicts are asked of models, written for them and read from them.

Serving, training, the format reward and `collect` all speak through here, so that trained tokens are served tokens.
The law: `read(write(x)) == canonical(x)`, and `canonical(x) == x` for every x whose texts hold none of the markers that
`clean` takes out. Nothing here calls a model: that is `interleavethinker.chat`.
"""

from interleavethinker.codec.critic import CriticCodec
from interleavethinker.codec.envelope import clean, plain
from interleavethinker.codec.fields import Reads, well_formed
from interleavethinker.codec.images import ImageLimits
from interleavethinker.codec.messages import ImagePart, Message, TextPart
from interleavethinker.codec.notes import styled
from interleavethinker.codec.packs import Pack, load_pack
from interleavethinker.codec.planner import PlannerCodec, PlanReader

__all__ = [
    "CriticCodec",
    "ImageLimits",
    "ImagePart",
    "Message",
    "Pack",
    "PlanReader",
    "PlannerCodec",
    "Reads",
    "TextPart",
    "clean",
    "load_pack",
    "plain",
    "styled",
    "well_formed",
]
