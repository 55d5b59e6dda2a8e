"""What is wrong with a gallery, or will be: found from its own pictures and vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shitu._lazy import rooms

if TYPE_CHECKING:
    from shitu.linting.findings import KINDS, SEVERITIES, Finding, LintReport
    from shitu.linting.linter import lint

__all__ = ["KINDS", "SEVERITIES", "Finding", "LintReport", "lint"]

__getattr__ = rooms(
    __name__,
    {
        "Finding": "shitu.linting.findings",
        "KINDS": "shitu.linting.findings",
        "LintReport": "shitu.linting.findings",
        "SEVERITIES": "shitu.linting.findings",
        "lint": "shitu.linting.linter",
    },
)
