"""Numbers in sentences: short, but never so short that the sentence contradicts itself."""

from __future__ import annotations

import pytest

from shitu.figures import apart, many, short


@pytest.mark.parametrize(
    ("value", "limit", "told"),
    [
        (0.31, 0.38, ("0.31", "0.38")),
        (0.899, 0.9, ("0.899", "0.900")),
        (0.99999, 0.999999, ("0.99999", "1.00000")),
        (0.38, 0.38, ("0.38", "0.38")),
        (0.1 + 0.2, 0.3, ("0.30000000000000004", "0.29999999999999999")),
    ],
)
def test_two_numbers_are_told_apart(value: float, limit: float, told: tuple[str, str]) -> None:
    assert apart(value, limit) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.38, "0.38"),
        (0.5, "0.50"),
        (0.004, "0.004"),
        (0.385, "0.385"),
        (0.82345, "0.823"),
        (0.9996, "0.9996"),
        (1.0, "1.00"),
        (0.0, "0.00"),
    ],
)
def test_a_number_is_not_told_as_another(value: float, told: str) -> None:
    assert short(value) == told


def test_one_thing_is_told_in_the_singular() -> None:
    assert [many(count, "picture") for count in (0, 1, 2)] == [
        "0 pictures",
        "1 picture",
        "2 pictures",
    ]
    assert [many(count, "query") for count in (1, 2)] == ["1 query", "2 queries"]
