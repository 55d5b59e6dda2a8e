"""Recognise products and objects in photos by looking them up in a gallery you can edit."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_ROOMS = {
    "AddSummary": "shitu.catalog",
    "BuildSummary": "shitu.catalog",
    "Config": "shitu.config",
    "Dropped": "shitu.cropper",
    "Finding": "shitu.linting",
    "LintReport": "shitu.linting",
    "Match": "shitu.recognition",
    "Recognition": "shitu.recognition",
    "RecognizedObject": "shitu.recognition",
    "RemoveSummary": "shitu.catalog",
    "RetrievalReport": "shitu.evaluation.retrieval",
    "ShituError": "shitu.errors",
    "Workspace": "shitu.workspace",
    "create_model": "shitu.paddlex",
    "create_pipeline": "shitu.paddlex",
    "load_config": "shitu.config",
    "load_image": "shitu.images",
}

__all__ = [
    "AddSummary",
    "BuildSummary",
    "Config",
    "Dropped",
    "Finding",
    "LintReport",
    "Match",
    "Recognition",
    "RecognizedObject",
    "RemoveSummary",
    "RetrievalReport",
    "ShituError",
    "Workspace",
    "create_model",
    "create_pipeline",
    "load_config",
    "load_image",
]

if TYPE_CHECKING:
    from shitu.catalog import AddSummary, BuildSummary, RemoveSummary
    from shitu.config import Config, load_config
    from shitu.cropper import Dropped
    from shitu.errors import ShituError
    from shitu.evaluation.retrieval import RetrievalReport
    from shitu.images import load_image
    from shitu.linting import Finding, LintReport
    from shitu.paddlex import create_model, create_pipeline
    from shitu.recognition import Match, Recognition, RecognizedObject
    from shitu.workspace import Workspace


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that `import shitu` stays instant."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'shitu' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
