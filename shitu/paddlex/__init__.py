"""Answers to code that was written for PaddleX: the same calls, fields and files."""

from shitu.paddlex.galleries import IndexData
from shitu.paddlex.model import Model, create_model
from shitu.paddlex.pipeline import Pipeline, create_pipeline
from shitu.paddlex.results import Result

__all__ = ["IndexData", "Model", "Pipeline", "Result", "create_model", "create_pipeline"]
