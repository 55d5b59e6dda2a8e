"""Single references: too little to see in them, or no picture any more."""

from __future__ import annotations

from collections.abc import Iterator

from shitu.figures import many
from shitu.gallery import Reference
from shitu.images.files import is_gone
from shitu.linting.findings import Finding
from shitu.linting.subject import Subject

BLANK = 6.0
"""Standard deviation of the brightness (0..255) below which there is nothing to see. Photos of
products have 18 and more; an empty sheet of paper, or a hand over the lens, less than 4."""

BLURRED = 0.025
"""Sharpness (see `Measures`) of a 160-pixel thumbnail below which no print can be read. Photos of
smooth fruit have 0.04 and more, of packages 0.2 and more; blurred by 1/100 of their side, 0.015."""

TINY = 64
"""Pixels of the longer side of what was embedded. The networks look at 224, so that a reference
of fewer than 64 is mostly made up by enlarging."""


def blank(subject: Subject) -> Iterator[Finding]:
    """References without contrast."""
    for reference, contrast in zip(subject.references, subject.measures.contrast, strict=True):
        if contrast < BLANK:
            advice = "is all of one colour, and other empty pictures would be taken for it"
            yield _bad("blank", "error", reference, 1 - contrast / BLANK, advice)


def blurred(subject: Subject) -> Iterator[Finding]:
    """References without detail."""
    measures = subject.measures
    for row, reference in enumerate(subject.references):
        if measures.contrast[row] >= BLANK and measures.sharpness[row] < BLURRED:
            strength = 1 - measures.sharpness[row] / BLURRED
            yield _bad("blurred", "warning", reference, strength, "is out of focus")


def tiny(subject: Subject) -> Iterator[Finding]:
    """References of few pixels."""
    for reference, thumbnail in zip(subject.references, subject.measures.sides, strict=True):
        side = _side(reference, int(thumbnail))
        if side < TINY:
            advice = f"shows the item only {many(round(side), 'pixel')} large"
            yield _bad("tiny", "warning", reference, 1 - side / TINY, advice)


def _side(reference: Reference, thumbnail: int) -> float:
    # Of a whole picture only the thumbnail's size is known; thumbnails are never enlarged.
    if reference.box is None:
        return thumbnail
    x0, y0, x1, y1 = reference.box
    return max(x1 - x0, y1 - y0)


def _bad(kind: str, severity: str, reference: Reference, strength: float, advice: str) -> Finding:
    number = reference.reference_id
    return Finding(
        kind=kind,
        severity=severity,
        items=(reference.label,),
        reference_ids=(number,),
        strength=float(strength),
        advice=f"reference {number} of {reference.label!r} {advice}: add a better picture and run "
        f"`shitu remove-item --reference {number}`",
    )


def missing(subject: Subject) -> Iterator[Finding]:
    """Pictures whose files are gone, by item."""
    for references in subject.by_item.values():
        gone = [r for r in references if is_gone(r.path)]
        if not gone:
            continue
        label = references[0].label
        verb = "is" if len(gone) == 1 else "are"
        yield Finding(
            kind="missing-picture",
            severity="warning",
            items=(label,),
            reference_ids=tuple(r.reference_id for r in gone),
            strength=len(gone) / len(references),
            advice=f"of {label!r} {len(gone)} of {many(len(references), 'picture')} {verb} gone: "
            "it is recognised nevertheless, but cannot be embedded by another model; put "
            f"{str(gone[0].path)!r} back, or let `shitu build-index --prune` remove what is gone",
        )


def single(subject: Subject) -> Iterator[Finding]:
    """Items with one reference."""
    for references in subject.by_item.values():
        if len(references) == 1:
            label = references[0].label
            yield Finding(
                kind="single-reference",
                severity="info",
                items=(label,),
                reference_ids=(references[0].reference_id,),
                strength=0.0,
                advice=f"{label!r} has one reference: add pictures of its other sides, so that it "
                "is recognised from there, too",
            )
