"""What a check found; see `Catalog.check`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from shitu.telling import Told


@dataclass(frozen=True)
class CheckPart:
    """One thing that was checked.

    Attributes:
        name: "database", "items", "vectors", "index", "thumbnails", "history", "queries",
            "learnt", "index files" or "pictures".
        checked: number of rows, or of files.
        problems: what is wrong, one sentence each.
        notes: what is worth knowing and no fault.
    """

    name: str
    checked: int
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckReport(Told):
    """Whether gallery, index and pictures fit together; no problems mean they do.

    Attributes:
        references: number of references.
        parts: what was checked, one by one.
        mended: what was repaired, one sentence each.
    """

    references: int
    parts: tuple[CheckPart, ...] = ()
    mended: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What was found, and whether all is well; see `Told`."""
        said = {"problems": list(self.problems), "notes": list(self.notes)}
        return {"ok": not self.problems, **super().to_dict(), **said}

    def with_notes(self, name: str, notes: tuple[str, ...]) -> CheckReport:
        """The same with more to know about a part."""
        parts = [
            replace(part, notes=(*part.notes, *notes)) if part.name == name else part
            for part in self.parts
        ]
        return replace(self, parts=tuple(parts))

    @property
    def problems(self) -> tuple[str, ...]:
        """All that is wrong."""
        return tuple(problem for part in self.parts for problem in part.problems)

    @property
    def notes(self) -> tuple[str, ...]:
        """All that is no fault."""
        return tuple(note for part in self.parts for note in part.notes)

    @property
    def cache_is_wrong(self) -> bool:
        """Whether something is wrong that can be made anew from the database."""
        return any(part.problems for part in self.parts if part.name.startswith("index"))
