"""The tables of a gallery, as the newest migration leaves them."""

from __future__ import annotations

import os
import re
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = MetaData()

# SQLite only counts up by itself on a column whose type is exactly INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")


def path_to_text(path: str | os.PathLike[str]) -> str:
    r"""Spell any file name as valid text: backslash is doubled, an undecodable byte is \xHH."""
    name = os.fsencode(path).decode("utf-8", "surrogateescape").replace("\\", "\\\\")
    return re.sub("[\udc80-\udcff]", lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", name)


def text_to_path(text: str) -> str:
    """Undo path_to_text."""
    if text.isascii() and "\\" not in text:  # nearly all are, and rows come by the thousand
        return text

    def byte(found: re.Match[str]) -> str:
        return chr(0xDC00 + int(found[1], 16)) if found[1] else "\\"

    name = re.sub(r"\\(?:x([0-9a-f]{2})|\\)", byte, text)
    return os.fsdecode(name.encode("utf-8", "surrogateescape"))


class PathText(TypeDecorator[str]):
    """A path in a text column; databases refuse the surrogates of undecodable names."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else path_to_text(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        """From the database."""
        return None if value is None else text_to_path(value)


meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

items = Table(
    "items",
    metadata,
    Column("item_id", Id, primary_key=True),
    Column("label", Text, nullable=False, unique=True),
    Column("attributes", JSON, nullable=False),
    Column("created_at", String(32), nullable=False),
    sqlite_autoincrement=True,  # an id is never used twice, not even the highest
)

# "references" would have to be quoted in every query typed by hand.
item_references = Table(
    "item_references",
    metadata,
    Column("reference_id", Id, primary_key=True),
    Column("item_id", ForeignKey("items.item_id"), nullable=False, index=True),
    Column("path", PathText, nullable=False, index=True),  # under the root: relative to it
    Column("sha256", String(64), nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("x0", Float),
    Column("y0", Float),
    Column("x1", Float),
    Column("y1", Float),
    Column("box_given", Boolean, nullable=False),
    Column("added_at", String(32), nullable=False),
    Column("how", String(16), nullable=False),
    Column("source", PathText),
    sqlite_autoincrement=True,
)

# Apart from the references, so that walking those does not wade through pictures. Like vectors,
# they stay when their reference is removed, until that is compacted away: join item_references
# to read what is alive.
thumbnails = Table(
    "thumbnails",
    metadata,
    Column("reference_id", Id, primary_key=True, autoincrement=False),
    Column("jpeg", LargeBinary, nullable=False),
)

# A cache beside the thumbnails: what is missing or of another fingerprint is computed again.
local_features = Table(
    "local_features",
    metadata,
    Column("reference_id", Id, primary_key=True, autoincrement=False),
    Column("fingerprint", String(64), nullable=False),  # of the settings, and of the box
    Column("features", LargeBinary, nullable=False),
)

spaces = Table(
    "spaces",
    metadata,
    Column("space_id", Id, primary_key=True),
    Column("fingerprint", String(64), nullable=False, unique=True),
    Column("description", JSON, nullable=False),
    Column("dim", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    sqlite_autoincrement=True,
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("space_id", ForeignKey("spaces.space_id", ondelete="CASCADE"), primary_key=True),
    Column("reference_id", Id, primary_key=True, autoincrement=False, index=True),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
)

changes = Table(
    "changes",
    metadata,
    Column("generation", BigInteger, primary_key=True, autoincrement=False),
    Column("token", String(32), nullable=False),
    Column("operation", String(32), nullable=False),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
    Column("at", String(32), nullable=False),
)

# What was recognised, where that was asked for; no part of the gallery, so not in its log. Whether
# somebody has answered is not noted here: see the references and rejections.
recognitions = Table(
    "recognitions",
    metadata,
    Column("recognition_id", Id, primary_key=True),
    Column("at", String(32), nullable=False),
    Column("path", PathText),
    Column("sha256", String(64)),  # of the whole picture
    Column("x0", Float),
    Column("y0", Float),
    Column("x1", Float),
    Column("y1", Float),
    Column("detection_score", Float),
    Column("crop", LargeBinary, nullable=False),  # JPEG
    Column("crop_sha256", String(64), nullable=False, index=True),
    Column("space", String(64), nullable=False),  # fingerprint
    Column("vector", LargeBinary, nullable=False),
    Column("label", Text),
    Column("matches", JSON, nullable=False),
    Column("margin", Float),
    Column("confidence", Float),
    Column("threshold", Float, nullable=False),
    Column("operating_point", Float),
    Column("ambiguity", Float, nullable=False, index=True),
    Column("lead", Float),
    Column("decided_by", String(16)),
    sqlite_autoincrement=True,
)

# Pictures whose answer is known, and their vectors. Like thumbnails they stay when what they are
# kept for is removed, until that is compacted away.
queries = Table(
    "queries",
    metadata,
    Column("query_id", Id, primary_key=True),
    Column("jpeg", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

query_vectors = Table(
    "query_vectors",
    metadata,
    Column("space_id", ForeignKey("spaces.space_id", ondelete="CASCADE"), primary_key=True),
    Column("query_id", ForeignKey("queries.query_id", ondelete="CASCADE"), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
    Column("radius", Float),  # of a rejection: the cosine from which on a query is its neighbour
)

# The item of a row may be gone; should it come back, the row speaks of it again.
rejections = Table(
    "rejections",
    metadata,
    Column("rejection_id", Id, primary_key=True),
    Column("query_id", ForeignKey("queries.query_id"), nullable=False, index=True),
    Column("item_id", BigInteger, nullable=False, index=True),
    Column("recognition_id", BigInteger, index=True),
    Column("at", String(32), nullable=False),
    sqlite_autoincrement=True,
)

golden_queries = Table(
    "golden_queries",
    metadata,
    Column("golden_id", Id, primary_key=True),
    Column("query_id", ForeignKey("queries.query_id"), nullable=False, index=True),
    Column("item_id", BigInteger, index=True),  # the right answer; none: unknown
    Column("path", PathText, nullable=False),  # where the picture came from
    Column("at", String(32), nullable=False),
    sqlite_autoincrement=True,
)
