"""`bench paddlex`: ratios and verdicts of figures that are made up."""

from __future__ import annotations

import json

import pytest
from benchmarks.paddlex_table import Figure, against_section

SIDES = ("fp32", "bf16")


def cells(figure: Figure) -> dict[str, str]:
    """The row of one figure, by the header of its columns."""
    section = against_section([figure], SIDES)
    (row,) = section.rows
    assert len(row) == len(section.header)
    return dict(zip(section.header[2:], row[2:], strict=True))


def test_times_are_compared_by_their_medians() -> None:
    figure = Figure("photo", "ms", [10, 12, 99], {"fp32": [30, 36, 31], "bf16": [24, 6, 18]})
    assert figure.ratio("fp32") == pytest.approx(31 / 12)
    row = cells(figure)
    assert row["shitu"] == "12.0 (10.0 to 99.0)"
    assert row["PaddleX bf16"] == "18.0 (6.00 to 24.0)"
    assert (row["ratio fp32"], row["ratio bf16"]) == ("2.6", "1.5")
    assert row["wanted"] == ""


def test_of_rates_more_is_better() -> None:
    figure = Figure("folder", "photos/s", [30], {"fp32": [10]}, 3, more_is_better=True)
    assert figure.ratio("fp32") == pytest.approx(3)
    assert cells(figure)["wanted"] == "3: met"


def test_the_target_is_held_against_the_first_setting() -> None:
    figure = Figure("photo", "ms", [10], {"fp32": [24.9], "bf16": [99]}, 2.5)
    assert cells(figure)["wanted"] == "2.5: missed"
    assert cells(Figure("photo", "ms", [10], {"fp32": [25], "bf16": [1]}, 2.5))["wanted"] == (
        "2.5: met"
    )


def test_a_setting_that_was_not_measured_is_blank() -> None:
    row = cells(Figure("append", "ms", [2], {"fp32": [3000, 5000]}, 20))
    assert (row["PaddleX bf16"], row["ratio bf16"]) == ("", "")
    assert (row["PaddleX fp32"], row["ratio fp32"]) == ("4,000 (3,000 to 5,000)", "2000")


def test_what_has_no_unit_is_not_compared() -> None:
    row = cells(Figure("objects", "", [4], {"fp32": [6], "bf16": [7]}))
    assert (row["PaddleX fp32"], row["ratio fp32"], row["ratio bf16"]) == (
        "6.00 (6.00 to 6.00)",
        "",
        "",
    )


def test_json_has_all_values() -> None:
    figure = Figure("photo", "ms", (10, 12), {"fp32": (33,)}, 2.5)
    (values,) = json.loads(json.dumps(against_section([figure], SIDES).values))
    assert values["ours"] == [10, 12]
    assert values["theirs"] == {"fp32": [33]}
    assert values["ratios"] == {"fp32": 3.0}
    assert values["met"] is True
