"""What is wrong with a gallery, or will be: found from its own pictures and vectors."""

from __future__ import annotations

from shitu.linting.findings import KINDS, SEVERITIES, Finding, LintReport
from shitu.linting.linter import lint

__all__ = ["KINDS", "SEVERITIES", "Finding", "LintReport", "lint"]
