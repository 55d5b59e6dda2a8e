"""What goes into and comes out of an exported network, read from its file; no engine is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from shitu.errors import WeightsCorrupt, WeightsNotFound

Shape: TypeAlias = tuple[int, ...]

_UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, RecursionError, StopIteration)


@dataclass(frozen=True)
class Graph:
    """Inputs by name and outputs in order, with their shapes; -1 is any length."""

    inputs: dict[str, Shape]
    outputs: tuple[Shape, ...]
    operators: frozenset[str] = frozenset()


def read_graph(path: Path) -> Graph:
    """Read `inference.json` (Paddle 3), a `.pdmodel` (Paddle 2) or an `.onnx` file.

    Raises:
        WeightsNotFound: it cannot be read.
        WeightsCorrupt: it is no such file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsNotFound(f"Cannot read the model file {path}: {error.strerror}.") from None
    try:
        return _READERS[path.suffix](data)
    except _UNREADABLE:
        raise WeightsCorrupt(
            f"The model file {path} is damaged, or no {path.suffix} of Paddle or ONNX. Fetch or "
            "export it again."
        ) from None


def _read_json(data: bytes) -> Graph:
    """Paddle 3: operators with the types of their results, among them `data` and `fetch`."""
    block = json.loads(data)["program"]["regions"][0]["blocks"][0]
    inputs, outputs = {}, []
    for operator in block["ops"]:
        name = operator["#"].rpartition(".")[2]
        if name == "data":
            inputs[_attribute(operator, "name")] = _result(operator)
        elif name == "fetch":
            outputs.append((_attribute(operator, "col"), _result(operator)))
    names = frozenset(operator["#"].rpartition(".")[2] for operator in block["ops"])
    return Graph(inputs, tuple(shape for _, shape in sorted(outputs)), names)


def _attribute(operator: dict[str, Any], name: str) -> Any:
    return next(a["AT"]["D"] for a in operator["A"] if a["N"] == name)


def _result(operator: dict[str, Any]) -> Shape:
    return tuple(int(side) for side in operator["O"][0]["TT"]["D"][1])


# --- Protocol buffers: .pdmodel (paddle/fluid/framework/framework.proto) and ONNX ----------


def _read_pdmodel(data: bytes) -> Graph:
    block = next(value for key, value in _fields(data) if key == 1)
    shapes: dict[str, Shape] = {}
    feeds: list[tuple[int, str]] = []
    fetches: list[tuple[int, str]] = []
    names: set[str] = set()
    for key, value in _fields(block):
        if key == 3:
            name, shape = _paddle_variable(value)
            shapes[name] = shape
        elif key == 4:
            kind, arguments, column = _paddle_operator(value)
            names.add(kind)
            if kind == "feed":
                feeds.append((column, arguments[-1]))
            elif kind == "fetch":
                fetches.append((column, arguments[0]))
    if not fetches:
        raise ValueError("no output")
    return Graph(
        {name: shapes[name] for _, name in sorted(feeds)},
        tuple(shapes[name] for _, name in sorted(fetches)),
        frozenset(names),
    )


def _paddle_variable(data: bytes) -> tuple[str, Shape]:
    fields = dict(_fields(data))
    shape: list[int] = []
    tensor = dict(_fields(dict(_fields(fields[2])).get(3, b""))).get(1, b"")
    for key, value in _fields(tensor):
        if key == 2:
            shape += [value] if isinstance(value, int) else _numbers(value)
    return fields[1].decode(), tuple(_signed(side) for side in shape)


def _paddle_operator(data: bytes) -> tuple[str, list[str], int]:
    """Type of an operator, the names of what it takes, then of what it gives, and its column."""
    kind, column = "", 0
    taken: list[str] = []
    given: list[str] = []
    for key, value in _fields(data):
        if key == 3:
            kind = value.decode()
        elif key in (1, 2):
            (taken if key == 1 else given).extend(v.decode() for k, v in _fields(value) if k == 2)
        elif key == 4:
            attribute = dict(_fields(value))
            column = attribute.get(3, 0) if attribute.get(1) == b"col" else column
    return kind, taken + given, column


def _read_onnx(data: bytes) -> Graph:
    graph = next(value for key, value in _fields(data) if key == 7)
    inputs: dict[str, Shape] = {}
    outputs: list[Shape] = []
    weights: set[str] = set()
    names: set[str] = set()
    for key, value in _fields(graph):
        if key == 1:
            names.update(v.decode() for k, v in _fields(value) if k == 4)
        elif key == 5:
            weights.update(v.decode() for k, v in _fields(value) if k == 8)
        elif key == 11:
            name, shape = _onnx_value(value)
            inputs[name] = shape
        elif key == 12:
            outputs.append(_onnx_value(value)[1])
    if not outputs:
        raise ValueError("no output")
    kept = {name: shape for name, shape in inputs.items() if name not in weights}
    return Graph(kept, tuple(outputs), frozenset(names))


def _onnx_value(data: bytes) -> tuple[str, Shape]:
    fields = dict(_fields(data))
    tensor = dict(_fields(dict(_fields(fields[2])).get(1, b"")))
    sides = [dict(_fields(value)) for key, value in _fields(tensor.get(2, b"")) if key == 1]
    return fields[1].decode(), tuple(_signed(side.get(1, -1)) for side in sides)


def _fields(data: Any) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a message: whole numbers, or bytes."""
    view = memoryview(data)
    at = 0
    while at < len(view):
        tag, at = _number(view, at)
        kind = tag & 7
        if kind == 0:
            value, at = _number(view, at)
            yield tag >> 3, value
            continue
        length, at = _number(view, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
        if at + length > len(view):
            raise ValueError("cut off")
        # Weights may be hundreds of MB and are not looked at: no copy of what is large.
        piece = view[at : at + length]
        yield tag >> 3, bytes(piece) if length < 1 << 20 else piece
        at += length


def _numbers(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _number(memoryview(data), at)
        found.append(value)
    return found


def _number(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_READERS = {".json": _read_json, ".pdmodel": _read_pdmodel, ".onnx": _read_onnx}
