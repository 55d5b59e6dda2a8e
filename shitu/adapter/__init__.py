"""A linear map, fitted on the gallery's own embeddings, after which cosines tell items apart."""

from shitu.adapter.adapter import Adapter
from shitu.adapter.choosing import Choice, Trial, choose
from shitu.adapter.fitting import RECIPES, Recipe, fit
from shitu.adapter.statistics import Statistics

__all__ = ["RECIPES", "Adapter", "Choice", "Recipe", "Statistics", "Trial", "choose", "fit"]
