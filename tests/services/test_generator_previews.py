"""When previews are made: by the pace, for somebody, and never to a drawing's harm."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from services.generator_service.previews import Shown
from services.generator_service.settings import PreviewSettings


class Drawing:
    """A drawing whose steps take `step` seconds and whose looks take `look`, on a clock of its own."""

    def __init__(self, *, step: float, look: float = 0.0, seen: bool = True, broken: bool = False) -> None:
        self.now, self.step, self.cost, self.seen, self.broken = 0.0, step, look, seen, broken
        self.steps: list[int] = []
        self.shown: list[tuple[float, bytes]] = []

    def advance(self, step: int, of: int) -> bool:
        self.steps.append(step)
        return self.seen

    def show(self, preview: bytes, seconds: float) -> None:
        self.shown.append((self.now, preview))

    def look(self, side: int) -> Image.Image:
        if self.broken:
            raise RuntimeError("no picture")
        self.now += self.cost
        return Image.new("RGBA", (side, side // 2))

    def draw(self, steps: int, *, can_look: bool = True, **settings: float | bool) -> int:
        """How many previews there were."""
        shown = Shown(self, PreviewSettings(**settings), clock=lambda: self.now)
        for done in range(1, steps + 1):
            self.now += self.step
            shown(done, steps, self.look if can_look else None)
        assert self.steps == list(range(1, steps + 1))
        return len(self.shown)


def test_each_slow_step_is_shown_but_the_last():
    drawing = Drawing(step=1)
    assert drawing.draw(4) == 3
    picture = Image.open(io.BytesIO(drawing.shown[0][1]))
    assert (picture.format, picture.size) == ("JPEG", (256, 128))


@pytest.mark.parametrize(
    ("how", "settings"),
    [
        ({"step": 1, "seen": False}, {}),
        ({"step": 1}, {"on": False}),
        ({"step": 1}, {"can_look": False}),
        ({"step": 0.005}, {}),
    ],
    ids=["nobody listens", "off", "the backend cannot", "steps are fast"],
)
def test_none_where_none_is_wanted(how: dict, settings: dict):
    assert Drawing(**how).draw(20, **settings) == 0


def test_at_most_so_many_a_second():
    assert Drawing(step=0.02).draw(100, per_second=5) == pytest.approx(10, abs=1)


def test_dear_previews_are_rare():
    """Each takes two steps' time: at a tenth, there is one in twenty steps or more."""
    drawing = Drawing(step=1, look=2)
    assert drawing.draw(100, share=0.1) == pytest.approx(5, abs=1)
    assert drawing.now <= 100 * 1.12


def test_a_look_that_fails_is_not_tried_again():
    drawing = Drawing(step=1, broken=True)
    assert drawing.draw(10) == 0
