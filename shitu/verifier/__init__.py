"""Geometry: do the local features of two pictures agree on one map from the one to the other?"""

from shitu.verifier.agreement import Agreement, agree
from shitu.verifier.features import Extractor, Features

__all__ = ["Agreement", "Extractor", "Features", "agree"]
