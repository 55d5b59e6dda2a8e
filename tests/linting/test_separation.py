"""Outliers and items that are hard to tell apart, on vectors that are laid out by hand."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from math import cos, radians, sin

import pytest

from shitu.linting.findings import Finding
from shitu.linting.separation import confusable, encounters, find_strays, misplaced, outliers
from shitu.linting.subject import Subject

Arrange = Callable[..., Subject]


def at(*angles: float) -> list[list[float]]:
    """Unit vectors at these degrees."""
    return [[cos(radians(a)), sin(radians(a))] for a in angles]


def hard(subject: Subject, told: tuple[int, ...] = ()) -> list[Finding]:
    out = {*told, *misplaced(subject, find_strays(subject, told))}
    return list(confusable(subject, encounters(subject, out)))


def odd(subject: Subject, told: tuple[int, ...] = ()) -> list[Finding]:
    return list(outliers(subject, find_strays(subject, told), ()))


def test_well_separated_items_are_no_finding(arrange: Arrange) -> None:
    shop = arrange(at(0, 3, 6, 90, 93, 96), ["a"] * 3 + ["b"] * 3)
    assert hard(shop) == odd(shop) == []


def test_items_whose_pictures_alternate_are_hard_to_tell_apart(arrange: Arrange) -> None:
    shop = arrange(at(0, 10, 20, 30, 4, 14, 24, 34), ["a"] * 4 + ["b"] * 4)
    [found] = hard(shop)
    assert (found.kind, found.items, found.severity) == ("confusable", ("a", "b"), "warning")
    assert found.strength == 1.0  # all eight are nearer to the other item
    assert set(found.reference_ids[:4]) == {10, 20, 30, 40}  # of one, then of the other
    assert set(found.reference_ids[4:]) == {50, 60, 70, 80}
    assert "8 of 8" in found.advice
    assert "`shitu merge-items b --into a`" in found.advice


def test_a_small_item_within_a_large_one_is_hard_to_tell_apart(arrange: Arrange) -> None:
    big = [angle + near for angle in range(0, 100, 10) for near in (0, 1)]
    [found] = hard(arrange(at(*big, 5, 35, 65), ["big"] * 20 + ["few"] * 3))
    assert (found.items, found.strength) == (("big", "few"), 1.0)
    assert "3 of 3 references of 'few' are nearer to the other item" in found.advice
    assert hard(arrange(at(*big, 5, 181, 182, 183), ["big"] * 20 + ["few"] * 4)) == []


@pytest.mark.parametrize("label", ["new\n\ttab", "it's \\ \x1b[0m", "zero\u200bwidth é"])
def test_the_command_of_an_advice_can_be_pasted(arrange: Arrange, label: str) -> None:
    shop = arrange(at(0, 10, 20, 30, 4, 14, 24, 34), ["a"] * 4 + [label] * 4)
    [found] = hard(shop)
    assert found.advice.isprintable()
    quoted = found.advice.partition("shitu merge-items ")[2].rpartition(" --into")[0]
    script = ["bash", "-c", f"printf '%s|' {quoted}"]
    told = subprocess.run(script, capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert told.stdout.decode() == f"{label}|"


def test_one_picture_at_the_wrong_place_does_not_make_items_hard_to_tell_apart(
    arrange: Arrange,
) -> None:
    shop = arrange(at(0, 2, 4, 61, 60, 62, 64), ["a"] * 4 + ["b"] * 3)
    assert hard(shop) == []
    [found] = odd(shop)
    assert (found.kind, found.items) == ("outlier", ("a", "b"))
    assert found.reference_ids[0] == 40
    assert 0.4 < found.strength < 0.5
    assert "0.54" in found.advice
    assert "1.00" in found.advice
    assert "`shitu remove-item --reference 40`" in found.advice


def test_of_two_references_nobody_can_say_which_is_odd(arrange: Arrange) -> None:
    assert odd(arrange(at(0, 61, 60, 62, 64), ["a"] * 2 + ["b"] * 3)) == []


def test_a_reference_a_little_nearer_to_another_item_is_no_outlier(arrange: Arrange) -> None:
    assert odd(arrange(at(0, 2, 30, 52, 54, 56), ["a"] * 3 + ["b"] * 3)) == []


def test_what_was_told_is_not_told_again(arrange: Arrange) -> None:
    shop = arrange(at(0, 2, 4, 61, 60, 62, 64), ["a"] * 4 + ["b"] * 3)
    assert odd(shop, told=(40,)) == []
    mixed = arrange(at(0, 10, 20, 4, 14, 24), ["a"] * 3 + ["b"] * 3)
    assert len(hard(mixed)) == 1
    assert hard(mixed, told=(40, 50, 60)) == []
    assert list(outliers(shop, find_strays(shop), {frozenset({"a", "b"})})) == []


def test_two_single_pictures_that_are_alike(arrange: Arrange) -> None:
    [found] = hard(arrange(at(0, 10, 90), ["a", "b", "c"]))
    assert found.items == ("a", "b")
    assert "cosine 0.98" in found.advice
    assert hard(arrange(at(0, 40, 90), ["a", "b", "c"])) == []


def test_single_pictures_are_judged_by_how_alike_other_items_pictures_are(
    arrange: Arrange,
) -> None:
    # 30 degrees apart: a cosine of 0.87
    close = arrange(at(0, 30, 180, 181, 182), ["a", "b", "c", "c", "c"])
    assert hard(close) == []
    wide = arrange(at(0, 30, 150, 180, 210), ["a", "b", "c", "c", "c"])
    assert [f.items for f in hard(wide)] == [("a", "b")]


def test_one_stranger_does_not_make_two_items_alike(arrange: Arrange) -> None:
    shop = arrange(at(0, 1, 2, 3, 80, 81, 82, 1.5), ["a"] * 4 + ["b"] * 4)
    assert hard(shop) == []
    assert [f.reference_ids[0] for f in odd(shop)] == [80]


def test_labels_are_quoted_for_the_shell(arrange: Arrange) -> None:
    [found] = hard(arrange(at(0, 1), ["it's; rm -rf", "b $(x)"]))
    assert "--into 'b $(x)'`" in found.advice
    assert """'it'"'"'s; rm -rf'""" in found.advice


def test_strays_both_ways_are_a_mix_up_of_the_items(arrange: Arrange) -> None:
    shop = arrange(at(0, 1, 2, 80, 81, 82, 83, 84, 3, 4), ["a"] * 5 + ["b"] * 5)
    # Two of a lie at b, two of b at a: each is near its own in the wrong place, so not odd.
    assert odd(shop) == []
    one_each = arrange(at(0, 1, 2, 80.4, 80, 81, 82, 1.4), ["a"] * 4 + ["b"] * 4)
    assert [f.reference_ids[0] for f in odd(one_each)] == [40, 80]
    [found] = hard(one_each)
    assert found.items == ("a", "b")


def test_most_of_an_item_at_the_wrong_place_is_no_outlier_of_it(arrange: Arrange) -> None:
    shop = arrange(at(0, 60, 100, 61, 62, 63, 101, 102, 103), ["a"] * 3 + ["b"] * 6)
    assert find_strays(shop) == [1, 2]
    assert misplaced(shop, [1, 2]) == set()
    assert misplaced(shop, [1]) == {20}
