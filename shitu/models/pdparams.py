"""Read `.pdparams`, Paddle's pickled training weights, without running anything in them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from shitu.errors import WeightsCorrupt, WeightsNotFound

Arrays = dict[str, npt.NDArray[Any]]

_ALIASES = "StructuredToParameterName@@"  # Paddle's own names of the parameters, not needed


def read_pdparams(path: Path) -> Arrays:
    """Arrays by parameter name.

    Nothing but arrays of numbers is built: a file that asks for anything else is refused before
    it gets it.

    Raises:
        WeightsNotFound: the file cannot be read.
        WeightsCorrupt: it is damaged, or holds something else than named arrays.
    """
    try:
        with path.open("rb") as file:
            loaded = _Loader(file).load()
        return _arrays(loaded)
    except OSError as error:
        raise WeightsNotFound(f"Cannot read the weights {path}: {error.strerror}.") from None
    except Exception as error:  # what a pickle of nonsense raises has no common root
        raise WeightsCorrupt(
            f"The weights {path} are refused: {_reason(error)}. Nothing of them was used; fetch or "
            "save them again."
        ) from None


def _reason(error: Exception) -> str:
    if not isinstance(error, pickle.UnpicklingError):  # of the bytes in the file, which help nobody
        return "they are damaged, cut off, or no weights"
    return " ".join(str(error).split())[:200]


def _arrays(loaded: Any) -> Arrays:
    if not isinstance(loaded, Mapping):
        raise pickle.UnpicklingError(
            f"they are a {type(loaded).__name__}, not a mapping of names to arrays"
        )
    found: Arrays = {}
    for name, value in loaded.items():
        if name == _ALIASES:
            continue
        if isinstance(value, tuple) and len(value) == 2:  # Paddle's own name, and the array
            value = value[1]
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            raise pickle.UnpicklingError(f"{name!r} is a {type(value).__name__}, not an array")
        if value.dtype.kind not in "fiu":
            raise pickle.UnpicklingError(f"{name} is an array of {value.dtype}, not of numbers")
        found[name] = value
    if not found:
        raise pickle.UnpicklingError("they hold no array")
    return found


def _encode(text: Any, encoding: Any) -> bytes:
    """Stand in for the encoder by which pickles of old protocols spell bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("bytes are spelled oddly")
    return text.encode("latin1")


def _tuple(values: Any) -> tuple[Any, ...]:
    return tuple(values)


# numpy's maker of arrays, by whatever name this version has for it.
_make_array: Any = np.empty(0).__reduce__()[0]
_from_buffer: Any = np.empty(0).__reduce_ex__(5)[0]

_ALLOWED: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _encode,
    ("builtins", "tuple"): _tuple,
    ("__builtin__", "tuple"): _tuple,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **{
        (f"numpy.{core}.{module}", name): maker
        for core in ("core", "_core")
        for module, name, maker in (
            ("multiarray", "_reconstruct", _make_array),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}


# The loader in Python, not the one in C: only there can it be told what may be changed.
_PythonLoader: Any = pickle._Unpickler


class _Loader(_PythonLoader):  # type: ignore[misc]
    """Builds arrays, and nothing that could run."""

    def find_class(self, module: str, name: str) -> Any:
        """Give what arrays are made of, whatever else the file asks for."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"they ask for {module}.{name}, which no weights need"
            ) from None

    dispatch: ClassVar[dict[int, Any]] = {**_PythonLoader.dispatch}

    def load_build(self) -> None:
        """Set the content of an array; of anything else it would change the program itself."""
        state, changed = self.stack.pop(), self.stack[-1]
        if not isinstance(changed, (np.ndarray, np.dtype)):
            raise pickle.UnpicklingError("they want to change something that is no array")
        made: Any = changed
        made.__setstate__(state)

    dispatch[pickle.BUILD[0]] = load_build

    def persistent_load(self, pid: object) -> object:
        """Refuse references to things outside."""
        raise pickle.UnpicklingError("they refer to something outside")
