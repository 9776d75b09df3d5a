"""Wording families with a pretended generator that knows plain words, and others only by luck of the seed."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.wordings import Attempt, held_out_cases, measure_wordings
from smallworld.edits import apply
from smallworld.prompts import STYLES, parse, style_of

CASES = held_out_cases(40, seed=0)


def knows_plain(attempts: Sequence[Attempt]) -> list[bool]:
    return [style_of(words) == "plain" or seed % 4 == 0 for _, words, seed in attempts]


def test_cases_are_steps_that_can_be_carried_out():
    assert all(apply(case.edit, case.before) == case.after for case in CASES)
    assert {case.place for case in CASES} == {"first_picture", "cell", "relation", "no_place"}
    assert held_out_cases(40, seed=0) == CASES != held_out_cases(40, seed=1)


def test_luck_and_refinement_are_told_apart():
    told: list[None] = []
    measured = measure_wordings(CASES, knows_plain, lambda: told.append(None))
    assert tuple(measured) == STYLES
    assert len(told) == len(STYLES)
    assert measured["plain"]["first_attempt"]["all"].value == 1.0
    assert measured["plain"]["luck"] is None
    lucky = [case.seed % 4 == 0 for case in CASES]
    again = [case.another % 4 == 0 for case in CASES if case.seed % 4]
    ornate = measured["ornate"]
    assert ornate["first_attempt"]["all"].value == round(sum(lucky) / 40, 4)
    assert ornate["luck"].value == round(sum(again) / len(again), 4)
    assert ornate["refinement"].value == 1.0
    assert ornate["refinement - luck"].value == round(1 - sum(again) / len(again), 4)
    assert ornate["first_attempt"]["relation"].n == sum(case.place == "relation" for case in CASES)


def test_a_refinement_asks_for_the_same_picture_in_plain_words():
    asked: list[Attempt] = []

    def never(attempts: Sequence[Attempt]) -> list[bool]:
        asked.extend(attempts)
        return [False] * len(attempts)

    measure_wordings(CASES, never)
    assert all(apply(parse(words), case.before) == case.after for case, words, _ in asked)
    assert len(asked) == 6 * 3 * len(CASES)
