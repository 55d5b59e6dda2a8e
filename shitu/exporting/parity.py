"""Whether an exported model still gives the same vectors, picture by picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shitu.errors import ImageError, ModelError
from shitu.figures import apart, many
from shitu.images import Image, find_images, load_image
from shitu.preprocess import Preprocessing
from shitu.runtime.session import Float32Array

Run = Callable[[Float32Array], list[Float32Array]]

FLOAT_COSINE = 0.9999  # of each picture, for whatever computes in float32
_MADE_UP = 6
_MOST = 64  # pictures of a folder that are compared


@dataclass(frozen=True)
class Pictures:
    """What both sides are shown.

    Attributes:
        names: of the pictures, for messages.
        images: uint8 RGB (h, w, 3) each.
    """

    names: tuple[str, ...]
    images: tuple[Image, ...]


def pictures_of(folder: Path | None) -> Pictures:
    """A picture, the first 64 of a folder, or made-up ones.

    Raises:
        ImageError: there is no picture in the folder, or one cannot be read.
    """
    if folder is None:
        names = tuple(f"made-up picture {i + 1}" for i in range(_MADE_UP))
        return Pictures(names, tuple(made_up(i) for i in range(_MADE_UP)))
    paths = find_images(folder)[:_MOST] if folder.is_dir() else [folder]
    if not paths:
        raise ImageError(f"No picture found in {folder}.")
    return Pictures(tuple(map(str, paths)), tuple(load_image(path) for path in paths))


def made_up(seed: int, size: int = 320) -> Image:
    """A smooth picture with some noise: uint8 RGB (size, size, 3)."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((size, size, 3))
    for cells in (2, 5, 16, 64):
        coarse = rng.normal(size=(cells, cells, 3))
        picture += coarse.repeat(-(-size // cells), 0).repeat(-(-size // cells), 1)[:size, :size]
    image: npt.NDArray[np.uint8] = np.clip(128 + 40 * picture, 0, 255).astype(np.uint8)
    return image


def cosines(a: Float32Array, b: Float32Array) -> npt.NDArray[np.float64]:
    """Cosine of each row of a (n, ...) with that of b, all of a row taken as one vector."""
    a64, b64 = (x.reshape(len(x), -1).astype(np.float64) for x in (a, b))
    norms = np.linalg.norm(a64, axis=1) * np.linalg.norm(b64, axis=1)
    return np.asarray((a64 * b64).sum(axis=1) / np.maximum(norms, np.finfo(np.float64).tiny))


class Gate:
    """Lets through what gives the same outputs as the original for each picture.

    Args:
        preprocessing: of the original.
        original: runs one batch.
        shown: the pictures.
        least: cosine that each of them must reach.
    """

    def __init__(
        self, preprocessing: Preprocessing, original: Run, shown: Pictures, least: float
    ) -> None:
        self._inputs = [preprocessing([image]) for image in shown.images]
        self._names = shown.names
        self._least = least
        self._wanted = [original(batch) for batch in self._inputs]

    def require(self, exported: Run) -> float:
        """The lowest cosine of all pictures; raises ModelError where it is too low."""
        return require_parity(self._wanted, exported, self._inputs, self._names, self._least)

    def passes(self, exported: Run) -> bool:
        """Whether `require` would let it through."""
        try:
            self.require(exported)
        except ModelError:
            return False
        return True


def require_parity(
    wanted: Sequence[Sequence[Float32Array]],
    exported: Run,
    inputs: Sequence[Float32Array],
    names: Sequence[str],
    least: float,
) -> float:
    """The lowest cosine of original and export, over all inputs and outputs.

    Args:
        wanted: outputs of the original for each input.
        exported: runs one batch.
        inputs: batches of one.
        names: of the inputs, for the message.
        least: cosine that each output of each input must reach.

    Raises:
        ModelError: one does not reach it, or their number or shapes differ.
    """
    worst = 1.0
    for outputs, batch, name in zip(wanted, inputs, names, strict=True):
        found = exported(batch)
        if len(found) != len(outputs):
            raise ModelError(
                f"The export gives {many(len(found), 'output')} for {name} where the original "
                f"gives {len(outputs)}. Nothing was written."
            )
        for one, other in zip(outputs, found, strict=True):
            worst = min(worst, _compared(one, other, name, least))
    return worst


def _compared(original: Float32Array, found: Float32Array, name: str, least: float) -> float:
    if original.shape != found.shape or not np.isfinite(found).all():
        raise ModelError(
            f"The export gives {found.shape} for {name} where the original gives {original.shape}, "
            "or no finite numbers. Nothing was written."
        )
    cosine = float(cosines(original, found)[0])
    if cosine < least:
        reached, wanted = apart(cosine, least)
        raise ModelError(
            f"The export differs from the original: cosine {reached} on {name}, wanted are "
            f"{wanted}. Nothing was written."
        )
    return cosine
