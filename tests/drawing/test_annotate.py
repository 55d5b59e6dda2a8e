"""Boxes and tags in pictures of any size."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest

from shitu.drawing import Mark, annotate
from shitu.drawing.annotate import PALETTE, UNKNOWN
from shitu.geometry import Box

Picture = npt.NDArray[np.uint8]
PAINT = (255, 0, 255)


def flat(height: int = 200, width: int = 300, level: int = 128) -> Picture:
    return np.full((height, width, 3), level, np.uint8)


def changed(image: Picture, marks: list[Mark]) -> npt.NDArray[np.bool_]:
    result: npt.NDArray[np.bool_] = (annotate(image, marks) != image).any(axis=2)
    return result


def painted(image: Picture, colour: tuple[int, int, int] = PAINT) -> npt.NDArray[np.bool_]:
    result: npt.NDArray[np.bool_] = (image == colour).all(axis=2)
    return result


def test_the_picture_itself_is_left_alone() -> None:
    image = flat()
    annotate(image, [Mark((10, 10, 90, 90), "can")])
    assert (image == 128).all()


def test_nothing_to_draw_changes_nothing() -> None:
    assert (annotate(flat(), []) == flat()).all()


def test_a_read_only_or_mirrored_picture() -> None:
    image = flat()[:, ::-1]
    image.flags.writeable = False
    assert annotate(image, [Mark((10, 10, 90, 90), "can")]).shape == image.shape


def test_the_frame_is_where_the_box_is() -> None:
    result = painted(annotate(flat(), [Mark((50, 60, 150, 160), colour=PAINT)]))
    rows, columns = np.flatnonzero(result.any(axis=1)), np.flatnonzero(result.any(axis=0))
    assert (columns[0], rows[0], columns[-1], rows[-1]) == (50, 60, 149, 159)


def test_the_inside_of_a_box_stays_visible() -> None:
    result = annotate(flat(), [Mark((50, 60, 150, 160))])
    assert (result[70:150, 60:140] == 128).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (5, 5), (12, 12), (20, 20), (20, 400)])
@pytest.mark.parametrize("text", ["", "Coke 0.92", "可口可乐", "عصير", "🥫"])
@pytest.mark.parametrize("known", [True, False])
def test_tiny_pictures(shape: tuple[int, int], text: str, known: bool) -> None:
    height, width = shape
    marks = [Mark((0, 0, width, height), text, known=known)]
    assert changed(flat(height, width, 255), marks).any()


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ((0, 0, 300, 200), "the whole picture"),
        ((280, 180, 300, 200), "in the corner"),
        ((-50, -50, 30, 30), "over the edge"),
        ((290, 90, 500, 110), "over the right edge"),
        ((400, 300, 500, 400), "outside"),
        ((100, 100, 100, 100), "a point"),
        ((150, 150, 50, 50), "corners the wrong way round"),
        ((10.2, 10.7, 10.9, 10.8), "less than a pixel"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_any_box_can_be_drawn(box: Box, why: str, known: bool) -> None:
    assert changed(flat(), [Mark(box, "label", known=known)]).any(), why


def tag_box(image: Picture, mark: Mark) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what a mark draws more than one without text."""
    without = annotate(image, [Mark(mark.box, "", mark.colour, mark.known)])
    more = (annotate(image, [mark]) != without).any(axis=2)
    rows, columns = np.flatnonzero(more.any(axis=1)), np.flatnonzero(more.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@pytest.mark.parametrize(
    "box", [(0, 0, 50, 50), (250, 0, 300, 50), (0, 150, 50, 200), (250, 150, 300, 200)]
)
def test_a_tag_at_an_edge_is_whole(box: Box) -> None:
    left, top, right, bottom = tag_box(flat(), Mark(box, "a label", PAINT))
    middle = tag_box(flat(), Mark((120, 80, 170, 130), "a label", PAINT))
    assert right - left >= middle[2] - middle[0] - 4  # its own frame hides a few pixels
    assert bottom - top >= middle[3] - middle[1] - 4


def test_a_tag_stands_above_its_box() -> None:
    _, _, _, bottom = tag_box(flat(), Mark((100, 100, 200, 150), "can", PAINT))
    assert 96 <= bottom <= 100


def test_a_long_label_stays_in_the_picture_and_ends_in_ink() -> None:
    left, _, right, _ = tag_box(flat(), Mark((100, 100, 200, 150), "a long label " * 20, PAINT))
    assert left >= 0
    assert 250 < right - left <= 300


def test_a_label_that_nearly_fits_is_shrunk_not_cut() -> None:
    mark = Mark((10, 40, 90, 90), "Red Bull can 0.87", PAINT)
    large, small = tag_box(flat(400, 400), mark), tag_box(flat(100, 100), mark)
    assert small[3] - small[1] < large[3] - large[1]


def test_a_label_of_any_length_is_quick() -> None:
    start = time.process_time()
    annotate(flat(), [Mark((50, 50, 90, 90), "x" * 1_000_000)])
    assert time.process_time() - start < 2


def test_text_grows_with_the_picture() -> None:
    small = tag_box(flat(300, 300), Mark((50, 100, 90, 140), "can", PAINT))
    large = tag_box(flat(1800, 1800), Mark((300, 600, 540, 840), "can", PAINT))
    assert large[3] - large[1] > 2 * (small[3] - small[1])


def test_tags_of_boxes_in_one_place_do_not_cover_one_another() -> None:
    colours = [(255, 0, 255), (0, 255, 255), (255, 255, 0), (0, 0, 255)]
    marks = [Mark((100, 60, 200, 160), "label", colour) for colour in colours]
    result = annotate(flat(), marks)
    sizes = [painted(result, colour).sum() for colour in colours[:-1]]
    assert min(sizes) > 0.9 * max(sizes)


def test_other_labels_give_other_pictures() -> None:
    box = (100, 60, 200, 160)
    pictures = {annotate(flat(), [Mark(box, t, PAINT)]).tobytes() for t in ("可乐", "可可", "عصير")}
    assert len(pictures) == 3


def test_blank_text_has_no_tag() -> None:
    box = (50, 60, 150, 160)
    blank = annotate(flat(), [Mark(box, " \n", PAINT)])
    assert (blank == annotate(flat(), [Mark(box, "", PAINT)])).all()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_frame_shows_on_any_ground(level: int) -> None:
    for colour in (*PALETTE, UNKNOWN, (0, 0, 0), (255, 255, 255)):
        image = flat(level=level)
        result = annotate(image, [Mark((50, 60, 150, 160), colour=colour)])
        contrast = np.abs(result.astype(int) - image).max()
        assert contrast >= 100, colour


def test_unknown_objects_are_grey_and_dashed() -> None:
    box = (50, 60, 150, 160)
    known = painted(annotate(flat(level=0), [Mark(box, colour=PAINT)]))
    unknown = painted(annotate(flat(level=0), [Mark(box, known=False)]), UNKNOWN)
    assert known[60, 50:150].all()
    assert 0.3 < unknown[60, 50:150].mean() < 0.8


def test_the_ends_of_dashes_show_the_corners() -> None:
    unknown = painted(annotate(flat(level=0), [Mark((50, 60, 151, 163), known=False)]), UNKNOWN)
    assert unknown[60, 50]
    assert unknown[60, 150]
    assert unknown[162, 50]
    assert unknown[162, 150]


def test_a_label_has_one_colour_everywhere() -> None:
    box = (0, 0, 1, 1)
    assert Mark(box, "可乐").paint == Mark((5, 5, 9, 9), "可乐").paint
    assert len({Mark(box, f"label {i}").paint for i in range(50)}) == len(PALETTE)


def test_a_label_that_is_no_text_has_a_colour() -> None:
    assert Mark((0, 0, 1, 1), "\udcff").paint in PALETTE


def test_a_given_colour_wins() -> None:
    assert Mark((0, 0, 1, 1), "x", PAINT, known=False).paint == PAINT
