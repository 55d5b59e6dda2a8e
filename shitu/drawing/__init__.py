"""Draw what was recognised into a picture: boxes and labels in any script."""

from shitu.drawing.annotate import Colour, Mark, annotate

__all__ = ["Colour", "Mark", "annotate"]
