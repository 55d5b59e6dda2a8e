"""What `bench quality` and `bench gallery` can measure."""

from __future__ import annotations

PROTOCOLS = {
    "a": ("train", "shop photos -> shop photos"),
    "b": ("iconic", "catalogue pictures -> shop photos"),
    "c": ("iconic", "catalogue pictures -> shop photos, packages only"),
}
"""The pictures of the dataset that are the gallery, and what the protocol is called."""

PARTS = (*PROTOCOLS, "open", "robust", "labelled")

KINDS = ("flat", "ivf-sq8", "ivf-rabitq", "hnsw")
"""Of index."""
