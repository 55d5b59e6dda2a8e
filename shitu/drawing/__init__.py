"""Draw what was recognised: boxes and labels in any script, queries beside their references."""

from shitu.drawing.annotate import Colour, Mark, annotate
from shitu.drawing.side_by_side import Pair, side_by_side

__all__ = ["Colour", "Mark", "Pair", "annotate", "side_by_side"]
