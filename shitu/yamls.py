"""YAML files, in which no key is given twice."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import yaml

from shitu.texts import read_text


class _Loader(yaml.SafeLoader):
    """PyYAML lets the last of two values count; which one was meant is not for it to say."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                problem = f"{key.value!r} is given twice; keep one of them"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value = super().construct_scalar(node)
        half = next((c for c in value if "\ud800" <= c <= "\udfff"), "")
        if half:  # which Python holds, and nothing can write
            problem = f"\\u{ord(half):X} is half of a character; write the character itself"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return value


def read_yaml(path: Path) -> Any:
    """What a YAML file (UTF-8) holds, in plain types.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no text in UTF-8, not YAML, or gives a key twice; in one line.
    """
    try:
        return _read(read_text(path), path.name)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _read(text: str, name: str) -> Any:
    loader = _Loader(io.StringIO(text))  # of a text it would quote the line, passwords and all
    loader.name = name  # which its errors tell beside the line
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
