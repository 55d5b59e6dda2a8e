"""Pour parameters, float16 on disk, into a network, and refuse any that do not fit exactly."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shitu.errors import WeightsCorrupt, WeightsNotFound
from shitu.models.pdparams import read_pdparams
from shitu.nets._paddle import nn
from shitu.nets.clip_weights import read_safetensors

Arrays = Mapping[str, npt.NDArray[Any]]
_SHOWN = 3
# AttributeError and TypeError: np.load took the file for a single array.
_UNREADABLE = (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile)


def load_params(net: nn.Layer, path: Path) -> None:
    """Pour the parameters in a file into `net`; raises as `read_params` and `pour` do."""
    pour(net, read_params(path), str(path))


def read_params(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a `params.npz` or `.pdparams` by upstream's parameter names, of any float type.

    `.safetensors` have the names that their makers gave; see `shitu.nets.clip_weights`.

    Raises:
        WeightsNotFound: there is no such file.
        WeightsCorrupt: it is not what its name says.
    """
    if path.suffix == ".pdparams":
        return read_pdparams(path)
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    try:
        # Opened here, because np.load leaves a file open that turns out to be torn.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise WeightsNotFound(f"No parameters at {path}. Install shitu again.") from None
    except _UNREADABLE:  # which say how to load what nobody should
        raise WeightsCorrupt(
            f"The parameters {path} cannot be read: they are damaged, cut off, or no .npz. Fetch "
            "them, or install shitu, again."
        ) from None


def save_params(net: nn.Layer, path: Path) -> None:
    """Write the parameters of a network that is not fused as a float16 `params.npz`."""
    derived = derived_names(net)
    arrays = {
        name: tensor.numpy().astype(np.float16)
        for name, tensor in net.state_dict().items()
        if name not in derived
    }
    np.savez_compressed(path, **arrays)


def pour(net: nn.Layer, arrays: Arrays, source: str) -> None:
    """Set all parameters and statistics of `net`.

    Names that upstream's files repeat or derive from others may be absent. So may nothing else;
    names of a training head that `net` was built without are skipped.

    Args:
        net: a network that is not fused.
        arrays: by upstream's structured names, any float type.
        source: what to call the arrays in an error.

    Raises:
        WeightsCorrupt: a name is missing or unexpected, or a shape differs.
    """
    state = net.state_dict()
    wanted = {name: tuple(tensor.shape) for name, tensor in state.items()}
    skipped = tuple(getattr(net, "training_only", ()))
    arrays = {
        name: array
        for name, array in arrays.items()
        if name in wanted or not name.startswith(skipped)
    }
    _check(wanted, derived_names(net), arrays, source)
    net.set_state_dict(
        {
            name: np.asarray(arrays[name], np.float32) if name in arrays else tensor
            for name, tensor in state.items()
        }
    )


def derived_names(net: nn.Layer) -> set[str]:
    """Names of the state that follows from other state: aliases, constants, fused kernels."""
    return {
        f"{prefix}.{name}" if prefix else name
        for prefix, layer in net.named_sublayers(include_self=True)
        for name in getattr(layer, "derived", ())
    }


def _check(
    wanted: Mapping[str, tuple[int, ...]], derived: set[str], arrays: Arrays, source: str
) -> None:
    missing = sorted(wanted.keys() - arrays.keys() - derived)
    unexpected = sorted(arrays.keys() - wanted.keys())
    misshapen = [
        f"{name} {array.shape} instead of {wanted[name]}"
        for name, array in arrays.items()
        if name in wanted and array.shape != wanted[name]
    ]
    for complaint, names in (
        ("miss", missing),
        ("bring the unknown", unexpected),
        ("bring", misshapen),
    ):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise WeightsCorrupt(
                f"The parameters {source} do not fit the network: they {complaint} "
                f"{', '.join(names[:_SHOWN])}{more}. Name the architecture that they are of."
            )
