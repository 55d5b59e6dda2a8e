"""A linear map, fitted on the gallery's own embeddings, after which cosines tell items apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shitu._lazy import rooms

if TYPE_CHECKING:
    from shitu.adapter.adapter import Adapter
    from shitu.adapter.choosing import Choice, Trial, choose
    from shitu.adapter.fitting import RECIPES, Recipe, fit
    from shitu.adapter.statistics import Statistics

__all__ = ["RECIPES", "Adapter", "Choice", "Recipe", "Statistics", "Trial", "choose", "fit"]

__getattr__ = rooms(
    __name__,
    {
        "Adapter": "shitu.adapter.adapter",
        "Choice": "shitu.adapter.choosing",
        "RECIPES": "shitu.adapter.fitting",
        "Recipe": "shitu.adapter.fitting",
        "Statistics": "shitu.adapter.statistics",
        "Trial": "shitu.adapter.choosing",
        "choose": "shitu.adapter.choosing",
        "fit": "shitu.adapter.fitting",
    },
)
