"""A document that has it all: twelve pictures of all shapes, a dozen scripts, long captions, Markdown."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime, timedelta

from PIL import Image, ImageDraw

from interleavethinker.document import Document, DocumentAttempt, DocumentStep
from interleavethinker.events import Status
from interleavethinker.types import Brief, ImageRef, InterleaveRequest, Outcome, Step, Verdict

BEGAN = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
LONG = (
    "Take the blue bowl, which is the larger one of the two, and hold it at an angle, so that the light falls over its "
    "rim and into the batter; then fold, never stir, with a wide spoon from below to above, turning the bowl a little "
    "each time, until no streak of white is left and the surface is as smooth as silk. "
) * 5
_GRAINS = "将面糊搅拌均匀，直到没有颗粒为止。骨、直、令、海。" * 6
_LETTERS = "Ελληνικά: αγάπη. ქართული, հայերեն, አማርኛ, বাংলা, தமிழ்."
_TABLE = "| Step | Time |\n|---|---|\n| bake | `20 min` |\n| cool | 5 min |"
_MARKDOWN = "See [the page](https://example.org).\n\n```\nbowl + flour = batter\n```\n\n---\n\nThe end."
TEXTS: tuple[tuple[str, str, str | None, str], ...] = (
    # language, name, instruction, auxiliary text (Markdown)
    ("en", "Prepare", "Lay everything out: naïve façade, Žižek’s “œuvre”, Ångström, ½ cup – 200 °C.", LONG),
    ("vi", "Tiếng Việt", "Đun sôi nước rồi cho phở vào.", "**Chú ý:** nước *rất* nóng."),
    ("zh", "准备材料", "把面粉倒进大碗里，加入两个鸡蛋。", _GRAINS),
    (
        "ja",
        "材料を混ぜる",
        "ボウルに小麦粉と卵を入れて混ぜます。",
        "- 弱火で三分\n- 裏返して「一分」\n- 骨・直・令・海",
    ),
    ("ko", "반죽을 섞기", "큰 그릇에 밀가루와 달걀을 넣고 섞으세요.", "1. 약한 불\n2. 뒤집기\n3. 꿻뚫 같은 드문 글자"),
    (
        "ar",
        "تحضير العجين",
        "اخلط الدقيق مع البيضتين في وعاء كبير، ثم أضف 200 غرام من السكر.",
        "كل شيء جاهز: نعم. " * 12,
    ),
    ("he", "הכנת הבצק", "מערבבים את הקמח עם שתי ביצים בקערה גדולה (15 דקות).", "שלום עולם, **בצק** רך."),
    ("hi", "सामग्री मिलाएँ", "एक बड़े कटोरे में आटा और अंडे मिलाइए।", "क्षत्रिय, ज्ञान, श्री, हिन्दी।"),
    ("ru", "Выпекание", "Выпекайте блины на среднем огне по две минуты.", "> Не торопитесь: «терпение»."),
    ("th", "อบขนม", "นำเข้าเตาอบที่อุณหภูมิ 180 องศา", _LETTERS),
    ("en", "Emoji 🎉 and symbols", "Serve 🥞 with 🍓, ❤️ and → ✓ ★ ∑ ≤ ∞.", _TABLE),
    ("en", "Enjoy", None, _MARKDOWN),
)
PROMPT = "How do I make pancakes with friends from all over the world? 世界各地的煎饼, فطائر من العالم, блины"


def manuscript(*, prompt: str = PROMPT, size: tuple[int, int] = (640, 480)) -> tuple[Document, dict[str, bytes]]:
    """The document, and its pictures by digest: twelve of different shapes, each of one colour with its number."""
    images: dict[str, bytes] = {}
    steps = tuple(_step(number, entry, size, images) for number, entry in enumerate(TEXTS, start=1))
    document = Document(
        run_id="run_00000000000000000manyscripts",
        status=Status.SUCCEEDED,
        request=InterleaveRequest(brief=Brief(prompt=prompt), seed=5),
        created_at=BEGAN,
        finished_at=BEGAN + timedelta(minutes=2),
        planner="big-planner@1f00",
        plan_seconds=3.0,
        steps=steps,
    )
    return document, images


def in_one_language(language: str) -> tuple[Document, dict[str, bytes]]:
    """Only the steps in that language, with a request in it: a document that is, say, Arabic throughout."""
    document, images = manuscript()
    kept = tuple(entry for entry, (spoken, *_) in zip(document.steps, TEXTS, strict=True) if spoken == language)
    brief = Brief(prompt=kept[0].step.instruction or "")
    return document.model_copy(update={"steps": kept, "request": InterleaveRequest(brief=brief)}), images


def colour(number: int) -> tuple[int, int, int]:
    """The colour of a step's picture; no other thing on a page has it."""
    return (40 + 16 * number, 255 - 20 * number, (97 * number) % 256)


def _step(
    number: int, entry: tuple[str, str, str | None, str], size: tuple[int, int], images: dict[str, bytes]
) -> DocumentStep:
    _, name, instruction, auxiliary = entry
    wide, high = size
    shape = ((wide, high), (high, wide), (wide, wide), (wide * 2, high))[number % 4] if number != 2 else (96, 96)
    image = _painted(number, shape, images)
    accepted = number != 4
    verdict = Verdict(
        outcome=Outcome.ACCEPT if accepted else Outcome.REVISE,
        refined_prompt=None if accepted else "the bowl again, but blue",
        confidence=0.97 if accepted else 0.7,
        reasoning="The bowl is blue." if accepted else "The bowl is not blue.",
    )
    attempt = DocumentAttempt(
        number=1, prompt=f"a picture of pancakes, number {number}", seed=number, job_id="0" * 63 + f"{number:x}",
        image=image, model="big-generator@9c1e", verdict=verdict, critic="big-critic@77aa",
    )  # fmt: skip
    step = Step(index=number, name=name, instruction=instruction, prompt=attempt.prompt, auxiliary_text=auxiliary)
    return DocumentStep(step=step, attempts=(attempt,), finished=True, kept=1, accepted=accepted)


def _painted(number: int, shape: tuple[int, int], images: dict[str, bytes]) -> ImageRef:
    picture = Image.new("RGB", shape, colour(number))
    draw = ImageDraw.Draw(picture)
    side = min(shape)
    draw.ellipse((side * 0.3, side * 0.3, side * 0.7, side * 0.7), fill=(250, 240, 210))
    out = io.BytesIO()
    picture.save(out, "PNG")
    digest = hashlib.sha256(out.getvalue()).hexdigest()
    images[digest] = out.getvalue()
    return ImageRef(digest=digest, width=shape[0], height=shape[1])
