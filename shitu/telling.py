"""What a summary says, for programs that take it elsewhere."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any


class Told:
    """A dataclass that can tell all it holds in JSON's own types."""

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings, as `--json` prints them; paths are strings."""
        assert is_dataclass(self)  # noqa: S101 - who inherits from this is one
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return plain
