"""What a measurement hands over: values for programs, a Markdown table for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Section:
    """One table.

    Attributes:
        name: its key in the JSON output.
        values: the rows, each a dict of plain values.
        title: of the table.
        header: of its columns.
        rows: its cells.
    """

    name: str
    values: Sequence[dict[str, Any]]
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table under its title."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"{self.title}\n\n{table}"
