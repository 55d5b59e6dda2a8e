"""Labels of the indexes that PaddleClas (`id_map.pkl`) and PaddleX (`id_map.yaml`) write."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from shitu.catalog.labels import clean_label
from shitu.errors import IndexFileError
from shitu.images import display_path

_LARGEST = 256 << 20  # bytes; a million lines of 200 characters are 200 MB
PICTURE_END = r"\.(?:jpe?g|png|bmp|webp|gif|tiff?)"
"""How names of pictures end; a pattern."""

_AFTER_PICTURE = re.compile(rf"(.*?{PICTURE_END})\s+(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """What is known of a vector: its label, and the picture as far as the index says."""

    path: str | None
    label: str


def read_id_map(folder: Path) -> dict[int, Named]:
    """Read the labels of the vectors in an index folder, by id.

    Raises:
        IndexFileError: there is none or more than one, it is damaged, too large, or holds things
            that no list of labels has.
    """
    found = [folder / name for name in _READERS if (folder / name).is_file()]
    if len(found) != 1:
        raise IndexFileError(
            f"{display_path(folder)} holds {len(found)} of {', '.join(_READERS)} instead of one: "
            "name the folder that PaddleClas or PaddleX wrote its index into"
        )
    file = found[0]
    try:
        with file.open("rb") as opened:
            data = opened.read(_LARGEST + 1)
    except OSError as error:
        raise IndexFileError(f"{display_path(file)} cannot be read ({error.strerror})") from error
    if len(data) > _LARGEST:
        raise IndexFileError(f"{display_path(file)} is larger than {_LARGEST >> 20} MB")
    try:
        return _READERS[file.name](data)
    except Exception as error:  # what loaders raise at nonsense has no common root
        raise IndexFileError(
            f"{display_path(file)} is no list of labels ({_one_line(error)}): nothing of it was "
            "used; build that index again, or build from the pictures"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


# --- PaddleClas: a pickled mapping of id -> "path<TAB>label" ------------------------------


def _read_pickle(data: bytes) -> dict[int, Named]:
    loaded = _Loader(io.BytesIO(data)).load()
    return {_number(key): split_line(value) for key, value in _mapping(loaded)}


def split_line(line: Any) -> Named:
    """Split a line of a gallery file once, so that a label keeps its blanks.

    At the first tab; without one, at the first blank after a picture's extension, or else at the
    first blank.
    """
    if not isinstance(line, str):
        raise ValueError(f"a line is {type(line).__name__}, not text")
    text = line.strip()
    path, tab, label = text.partition("\t")
    if not tab:
        found = _AFTER_PICTURE.fullmatch(text)
        path, label = found.groups() if found else (*text.split(None, 1), "", "")[:2]
    return Named(path.strip().replace("\0", ""), clean_label(label))


class _Dtype:
    """Stands in for numpy.dtype: whole numbers of some bytes, nothing else."""

    def __init__(self, code: str, *_: object) -> None:
        if code not in ("i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1"):
            raise pickle.UnpicklingError(f"an id is of type {code!r}")
        self.signed, self.size, self.order = code[0] == "i", int(code[1:]), "<"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]


def _scalar(dtype: Any, data: Any) -> int:
    """Stand in for numpy's maker of scalars."""
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes) or len(data) != dtype.size:
        raise pickle.UnpicklingError("an id is malformed")
    order: Any = "big" if dtype.order == ">" else "little"
    return int.from_bytes(data, order, signed=dtype.signed)


def _encode(text: Any, encoding: Any) -> bytes:
    """Stand in for the encoder by which pickles of old protocols spell bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("an id is malformed")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("_codecs", "encode"): _encode,
}

# The loader in Python, not the one in C: that takes a few bytes' word for how much memory to get.
_PythonLoader: Any = pickle._Unpickler


class _Loader(_PythonLoader):  # type: ignore[misc]
    """Knows the numbers of numpy, by stand-ins, and not one other thing to call."""

    def find_class(self, module: str, name: str) -> Callable[..., object]:
        """Return the stand-in; there is no way to anything else."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it wants to call {module}.{name}")
        return _ALLOWED[module, name]

    dispatch: ClassVar[dict[int, Any]] = {**_PythonLoader.dispatch}

    def load_build(self) -> None:
        """Set the state of a stand-in; of anything else it would change the program itself."""
        state = self.stack.pop()
        if not isinstance(self.stack[-1], _Dtype):
            raise pickle.UnpicklingError("it wants to change something")
        self.stack[-1].__setstate__(state)

    dispatch[pickle.BUILD[0]] = load_build

    def persistent_load(self, pid: object) -> object:
        """Refuse references to things outside."""
        raise pickle.UnpicklingError("it refers to something outside")


# --- PaddleX: YAML with the mapping id -> label -------------------------------------------


def _read_yaml(data: bytes) -> dict[int, Named]:
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded = yaml.load(data, loader)  # noqa: S506 - a safe one, in C where there is one
    if not isinstance(loaded, dict) or "id_map" not in loaded:
        raise ValueError("there is no id_map in it")
    if loaded.get("metric_type") == "hamming":
        raise ValueError("its vectors are bits (hamming)")
    return {
        _number(key): Named(None, clean_label(_text(value)))
        for key, value in _mapping(loaded["id_map"])
    }


def _text(value: Any) -> str:
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"a label is {type(value).__name__}, not text")
    return str(value)


_READERS: dict[str, Callable[[bytes], dict[int, Named]]] = {
    "id_map.pkl": _read_pickle,
    "id_map.yaml": _read_yaml,
    "id_map.yml": _read_yaml,
}


FILES = tuple(_READERS)
"""What files of labels are called."""


def _mapping(loaded: Any) -> Any:
    if not isinstance(loaded, dict):
        raise ValueError(f"it holds {type(loaded).__name__}, not a mapping")
    return loaded.items()


def _number(key: Any) -> int:
    if type(key) is not int or not 0 <= key < 1 << 63:
        raise ValueError(f"the id {str(key)[:40]!r} is no whole number")
    return key
