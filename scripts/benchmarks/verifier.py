"""What geometric checks gain on flat packages in cluttered photos, and what they cost."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.packages import (
    Package,
    Photo,
    catalogue_picture,
    is_turned,
    make_packages,
    make_photo,
    make_things,
    read_products,
)
from benchmarks.progress import progress
from benchmarks.sample import GALLERY
from benchmarks.sections import Section
from shitu.errors import DatasetError
from shitu.geometry import Box, iou
from shitu.images import Image, find_images, load_image, save_image
from shitu.recognition import Recognition, RecognizedObject
from shitu.workspace import Workspace

MODES = ("off", "auto", "on")
# Intersection over union. Loose, for a box may well hold the product on a package alone, and of two
# boxes with the same answer only one is kept.
_HIT = 0.3
_VARIANT, _STRANGER = 3, 5  # of eight packages those that the gallery lacks; its own kin, and none


@dataclass(frozen=True)
class Answer:
    """What was said about the package in a photo.

    Attributes:
        known: whether the gallery has it.
        found: the object that lies on it, if any does.
        milliseconds: what the check took of each object in the photo.
    """

    label: str
    known: bool
    turned: bool
    found: RecognizedObject | None
    milliseconds: float

    @property
    def first(self) -> bool:
        """Whether the best match is right."""
        matches = () if self.found is None else self.found.matches
        return bool(matches) and matches[0].label == self.label

    @property
    def name(self) -> str | None:
        """What it was called."""
        return None if self.found is None else self.found.label


def measure_verifier(pictures: Path | None, packages: int, photos: int, seed: int) -> list[Section]:
    """R@1, names and times with the check off, where it pays, and always.

    Args:
        pictures: folder of pictures to print packages on; None: the sample gallery's products.
        packages: how many are printed; of these a quarter is not in the gallery.
        photos: of each package.
        seed: another one gives other packages and photos.
    """
    made, strangers = _sources(pictures, packages, seed)
    known = made if pictures is None else [p for i, p in enumerate(made) if not _is_stranger(i)]
    taken = [
        (make_photo(package, strangers, seed, i * photos + n), package in known)
        for i, package in enumerate(made)
        for n in range(photos)
    ]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write(known, root / "photos")
        found = {mode: list(_answers(root, taken, mode)) for mode in MODES}
    values = [_values(mode, found[mode]) for mode in MODES]
    name = "the sample gallery" if pictures is None else pictures.name
    title = (
        f"{len(known)} flat packages of {name} in the gallery, {len(taken)} cluttered photos, seed "
        f"{seed}"
    )
    return [Section("verifier", values, title, tuple(values[0]), [*map(_row, values)])]


def _sources(
    pictures: Path | None, packages: int, seed: int
) -> tuple[list[Package], Sequence[Image]]:
    if pictures is None:
        return read_products(GALLERY / "products"), make_things(40, seed)
    paths = find_images(pictures)
    if len(paths) < packages + 40:
        raise DatasetError(f"{pictures} holds {len(paths)} pictures: {packages + 40} are needed")
    order = np.random.default_rng([seed, 4]).permutation(len(paths))
    paths = [paths[i] for i in order]
    return make_packages(paths[40:], packages, seed), [load_image(path) for path in paths[:40]]


def _is_stranger(number: int) -> bool:
    return number % 8 in (_VARIANT, _STRANGER)


def _write(packages: Iterable[Package], folder: Path) -> None:
    for package in packages:
        (folder / package.label).mkdir(parents=True)
        save_image(folder / package.label / "1.png", catalogue_picture(package))


def _answers(root: Path, photos: Sequence[tuple[Photo, bool]], mode: str) -> Iterator[Answer]:
    with Workspace(root / "index", verify=mode) as shop:
        if not (root / "index").exists():
            shop.build(root / "photos")
        if mode != "off":  # so that times are those of a shop that has been open for a while
            for photo, _ in photos[: len(photos) // 4]:
                shop.recognize(photo.image)
        for photo, known in progress(photos, f"verify {mode}"):
            result = shop.recognize(photo.image)
            boxes = len(result.objects) + sum(box.stage == "merge" for box in result.dropped)
            spent = result.milliseconds.get("verify", 0.0) / max(1, boxes)
            found = _on(result, photo.box)
            yield Answer(photo.label, known, is_turned(photo), found, spent)


def _on(result: Recognition, box: Box) -> RecognizedObject | None:
    """The object that lies on a box best, if well enough."""
    boxes = [item.box or (0, 0, 0, 0) for item in result.objects]
    shared = iou([box], boxes)[0] if boxes else np.zeros(0)
    return result.objects[int(shared.argmax())] if shared.max(initial=0) >= _HIT else None


def _values(mode: str, answers: Sequence[Answer]) -> dict[str, Any]:
    known = [answer for answer in answers if answer.known]
    absent = [answer for answer in answers if not answer.known]
    variants = [answer for answer in absent if int(answer.label[:3]) % 8 == _VARIANT]
    strangers = [answer for answer in absent if int(answer.label[:3]) % 8 == _STRANGER]
    turned = [answer for answer in known if answer.turned]
    upright = [answer for answer in known if not answer.turned]
    times = [answer.milliseconds for answer in answers]
    return {
        "verify": mode,
        "box found": _share(known, lambda a: a.found is not None),
        "R@1": _share(known, lambda a: a.first),
        "R@1 upright": _share(upright, lambda a: a.first),
        "R@1 turned": _share(turned, lambda a: a.first),
        "named right": _share(known, lambda a: a.name == a.label),
        "named wrong": _share(known, lambda a: a.name not in (None, a.label)),
        "strangers named": _share(strangers, lambda a: a.name is not None),
        "variants named": _share(variants, lambda a: a.name is not None),
        "ms added per object": float(np.mean(times)),
    }


def _share(answers: Sequence[Answer], wanted: Callable[[Answer], bool]) -> float | None:
    return sum(map(wanted, answers)) / len(answers) if answers else None


def _row(values: dict[str, Any]) -> list[str]:
    return [
        value if isinstance(value, str) else "" if value is None else f"{value:.{places}f}"
        for (name, value), places in (
            (pair, 1 if pair[0].startswith("ms") else 3) for pair in values.items()
        )
    ]
