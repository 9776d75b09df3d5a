"""A picture is encoded and stored beside the drawing of the next one, and nothing of it is lost."""

from __future__ import annotations

import contextvars
import threading

from services.generator_service.finishing import Finishing

WHOSE: contextvars.ContextVar[str] = contextvars.ContextVar("whose", default="")


def test_the_drawing_thread_goes_on_while_a_picture_is_finished():
    go_on, seen = threading.Event(), list[str]()
    with Finishing() as finishing:
        WHOSE.set("first")
        finishing.hand_over(lambda: (go_on.wait(10), seen.append(WHOSE.get())))
        WHOSE.set("second")  # the next job's: the first is finished in its own context
        assert seen == []
        go_on.set()
    assert seen == ["first"]


def test_a_faster_drawing_thread_waits_for_room():
    go_on, seen = threading.Event(), list[int]()
    with Finishing(room=1) as finishing:
        finishing.hand_over(lambda: go_on.wait(10))
        third = threading.Thread(target=lambda: finishing.hand_over(lambda: seen.append(2)))
        third.start()
        third.join(0.2)
        assert third.is_alive() and seen == []
        go_on.set()
        third.join(10)
    assert seen == [2]


def test_what_was_handed_over_is_finished_before_the_worker_ends_and_a_failure_takes_no_other_along():
    seen = list[int]()

    def fails() -> None:
        raise OSError("disk")

    with Finishing() as finishing:
        for number in range(6):
            finishing.hand_over(fails if number == 2 else lambda number=number: seen.append(number))
    assert sorted(seen) == [0, 1, 3, 4, 5]
