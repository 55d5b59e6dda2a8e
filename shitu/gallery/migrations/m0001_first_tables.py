"""Step 1: the tables of the first release, spelt out so that they stay what they were."""

from __future__ import annotations

import uuid

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

_Id = BigInteger().with_variant(Integer, "sqlite")


def upgrade(connection: Connection) -> None:
    """Create everything in an empty database."""
    metadata = MetaData()
    _items(metadata)
    _vectors(metadata)
    Table(
        "meta",
        metadata,
        Column("key", String(64), primary_key=True),
        Column("value", Text, nullable=False),
    )
    Table(
        "changes",
        metadata,
        Column("generation", BigInteger, primary_key=True, autoincrement=False),
        Column("token", String(32), nullable=False),
        Column("operation", String(32), nullable=False),
        Column("before", JSON, nullable=False),
        Column("after", JSON, nullable=False),
        Column("at", String(32), nullable=False),
    )
    metadata.create_all(connection)
    rows = [{"key": "generation", "value": "0"}, {"key": "token", "value": uuid.uuid4().hex}]
    connection.execute(text("INSERT INTO meta (key, value) VALUES (:key, :value)"), rows)


def _items(metadata: MetaData) -> None:
    Table(
        "items",
        metadata,
        Column("item_id", _Id, primary_key=True),
        Column("label", Text, nullable=False, unique=True),
        Column("attributes", JSON, nullable=False),
        Column("created_at", String(32), nullable=False),
        sqlite_autoincrement=True,
    )
    Table(
        "item_references",
        metadata,
        Column("reference_id", _Id, primary_key=True),
        Column("item_id", ForeignKey("items.item_id"), nullable=False, index=True),
        Column("path", Text, nullable=False, index=True),
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
        Column("source", Text),
        sqlite_autoincrement=True,
    )


def _vectors(metadata: MetaData) -> None:
    reference = "item_references.reference_id"
    Table(
        "thumbnails",
        metadata,
        Column("reference_id", ForeignKey(reference, ondelete="CASCADE"), primary_key=True),
        Column("jpeg", LargeBinary, nullable=False),
    )
    Table(
        "spaces",
        metadata,
        Column("space_id", _Id, primary_key=True),
        Column("fingerprint", String(64), nullable=False, unique=True),
        Column("description", JSON, nullable=False),
        Column("dim", Integer, nullable=False),
        Column("active", Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    Table(
        "embeddings",
        metadata,
        Column("space_id", ForeignKey("spaces.space_id", ondelete="CASCADE"), primary_key=True),
        Column(
            "reference_id",
            ForeignKey(reference, ondelete="CASCADE"),
            primary_key=True,
            index=True,
        ),
        Column("vector", LargeBinary, nullable=False),
    )
