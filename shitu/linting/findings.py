"""What a lint finds: the value, its kinds, and their order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

SEVERITIES = ("error", "warning", "info")

KINDS = {
    "duplicate": "one picture more than once; strength is the cosine",
    "near-duplicate": "nearly the same picture under two labels; strength is the cosine",
    "confusable": "two items that cannot be told apart; strength is the share of their pictures, "
    "or of those of one, that are nearer to the other item, or how far beyond the limit their "
    "likeness is, 0 to 1",
    "outlier": "a reference nearer to another item than to its own; strength is by how much",
    "blank": "a reference without contrast; strength is how much of it is missing, 0 to 1",
    "blurred": "a reference without detail; strength is how much of it is missing, 0 to 1",
    "tiny": "a reference of few pixels; strength is how many of them are missing, 0 to 1",
    "missing-picture": "a picture whose file is gone; strength is the share of the item's",
    "single-reference": "an item with one reference; strength is 0",
}


UNSEEABLE = "no picture and no thumbnail"
"""What references lack that came with an index alone; nothing is wrong with them."""


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes:
        kind: one of `KINDS`.
        severity: one of `SEVERITIES`.
        items: labels.
        reference_ids: what to look at, the reference in question first.
        strength: 0..1, more is worse; `KINDS` says what it is.
        advice: one sentence that says what to do.
    """

    kind: str
    severity: str
    items: tuple[str, ...]
    reference_ids: tuple[int, ...]
    strength: float
    advice: str


@dataclass(frozen=True)
class LintReport:
    """All findings, the worst first, and how much was looked at.

    Attributes:
        items: how many there are.
        references: how many there are.
        unseen: ids of references without a vector or a thumbnail that can be read.
        findings: by severity, then by strength.
        lacking: how many of the unseen lack what.
    """

    items: int
    references: int
    unseen: tuple[int, ...]
    findings: tuple[Finding, ...]
    lacking: Mapping[str, int] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    def only(self, kinds: Collection[str]) -> LintReport:
        """The same with the findings of some kinds alone."""
        return replace(self, findings=tuple(f for f in self.findings if f.kind in kinds))

    def to_dict(self) -> dict[str, Any]:
        """The report as `shitu lint --json` prints it."""
        return asdict(self)


def ranked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By severity, then by strength."""
    kinds = list(KINDS)

    def key(finding: Finding) -> tuple[object, ...]:
        severity, kind = SEVERITIES.index(finding.severity), kinds.index(finding.kind)
        return (severity, -finding.strength, kind, finding.items, finding.reference_ids)

    return tuple(sorted(findings, key=key))
