"""Every error a user can meet: one sentence that names the thing, the place and the next step."""

from __future__ import annotations


class ShituError(Exception):
    """Root of all errors raised on purpose; only the command line translates it."""


class ConfigError(ShituError):
    """A setting is unknown, of the wrong type, or out of range."""


class WhereError(ShituError):
    """A filter cannot be read; names the place in it."""


class ImageError(ShituError):
    """A file is not a picture that can be used."""


class Closed(ShituError):  # noqa: N818 - named for what happened
    """A workspace or gallery is used after it was closed, or was closed while it was used."""


class ModelError(ShituError):
    """A model cannot be opened or run."""


class WeightsNotFound(ModelError):  # noqa: N818
    """The files of a model are not where they should be."""


class WeightsCorrupt(ModelError):  # noqa: N818
    """The files of a model are not what they should be."""


class GalleryError(ShituError):
    """The gallery cannot do what was asked."""


class ItemNotFound(GalleryError):  # noqa: N818
    """No item of the gallery has that label or id."""


class GoldenBroken(GalleryError):  # noqa: N818
    """A change would break golden queries, and was not made."""


class DuplicateReference(GalleryError):  # noqa: N818
    """The same picture already belongs to another item."""


class SchemaTooNew(GalleryError):  # noqa: N818
    """The gallery was written by a later version."""


class GalleryLocked(GalleryError):  # noqa: N818
    """Another process has been writing to the gallery for too long."""


class IndexFileError(ShituError):
    """The vector index cannot be used."""


class IndexNotFound(IndexFileError):  # noqa: N818
    """There is no index in that folder yet."""


class IndexNotSaved(IndexFileError):  # noqa: N818
    """The files of the vector index cannot be written; the gallery itself is safe."""


class RecallNotReached(IndexFileError):  # noqa: N818
    """An approximate index would miss more of the nearest than was asked for."""


class SpaceMismatch(IndexFileError):  # noqa: N818
    """The vectors were made by another model, or in another way."""


class DatasetError(ShituError):
    """A label file or query list is malformed; names the file and the line."""
