"""Small charts as inline SVG; they take the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence

from shitu.evaluation.calibration import Calibration

_WIDTH, _HEIGHT = 320, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 300, 10, 180


def cmc_chart(curve: Sequence[float]) -> str:
    """The CMC curve over its ranks, the vertical axis from a round number below it up to 1."""
    floor = max(0.0, int(min(curve, default=0.0) * 10 - 1e-9) / 10)
    last = max(len(curve) - 1, 1)
    points = " ".join(
        f"{_x(rank / last):.1f},{_y((share - floor) / (1 - floor)):.1f}"
        for rank, share in enumerate(curve)
    )
    marks = [(i / last, str(i + 1)) for i in sorted({0, 4, 9, 14, len(curve) - 1}) if i <= last]
    tenths = round((1 - floor) * 10)
    each = 1 if tenths <= 5 else 2
    steps = [(i / tenths, f"{floor + i / 10:.1f}") for i in range(0, tenths + 1, each)]
    line = f'<polyline points="{points}" class="line"/>'
    return _frame("CMC curve", "rank", marks, steps, line)


def reliability_chart(found: Calibration) -> str:
    """Accuracy over confidence, a dot a bin; on the diagonal confidence is honest."""
    dots = "".join(
        f'<circle cx="{_x(row.confidence):.1f}" cy="{_y(row.accuracy):.1f}" r="4" class="dot">'
        f"<title>{row.answers} answers, confidence {row.confidence:.2f}, right "
        f"{row.accuracy:.2f}</title></circle>"
        for row in found.table
    )
    diagonal = f'<path d="M{_x(0)},{_y(0)}L{_x(1)},{_y(1)}" class="grid"/>'
    ticks = [(i / 4, f"{i / 4:.2f}") for i in range(5)]
    return _frame(
        "Reliability: share right by confidence", "confidence", ticks, ticks, diagonal + dots
    )


def _x(share: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * share


def _y(share: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * share


def _frame(
    name: str,
    below: str,
    across: Sequence[tuple[float, str]],
    up: Sequence[tuple[float, str]],
    content: str,
) -> str:
    lines = "".join(
        f'<path d="M{_LEFT},{_y(at):.1f}H{_RIGHT}" class="grid"/>'
        f'<text x="{_LEFT - 5}" y="{_y(at) + 4:.1f}" text-anchor="end">{text}</text>'
        for at, text in up
    )
    feet = "".join(
        f'<text x="{_x(at):.1f}" y="{_BOTTOM + 15}" text-anchor="middle">{text}</text>'
        for at, text in across
    )
    title = (
        f'<text x="{(_LEFT + _RIGHT) / 2}" y="{_HEIGHT - 2}" text-anchor="middle">{below}</text>'
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name}">'
        f"{lines}{feet}{title}{content}</svg>"
    )
