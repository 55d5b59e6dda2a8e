"""What every inference engine offers: run one batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]


class Session(Protocol):
    """A loaded network that maps one float32 batch (n, 3, h, w) to its output arrays."""

    engine: str

    def run(self, batch: Float32Array) -> list[Float32Array]:
        """Outputs in the order of the network, each with n as first dimension.

        An output does not depend on what else is in the batch.

        Raises:
            ModelError: the batch does not have the shape that the network was exported for.
        """
        ...


class NamedSession(Session, Protocol):
    """A loaded network of one or more inputs.

    Attributes:
        inputs: their names, in the order of the network.
    """

    inputs: tuple[str, ...]

    def run_named(self, feeds: Mapping[str, Float32Array]) -> list[Float32Array]:
        """Outputs in the order of the network, for a value for each of its inputs.

        Raises:
            ModelError: a value does not have the shape that the network was exported for.
        """
        ...
