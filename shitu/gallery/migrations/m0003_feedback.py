"""Step 3: recognitions that were logged, and queries whose answer somebody knows."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
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
)

_Id = BigInteger().with_variant(Integer, "sqlite")


def upgrade(connection: Connection) -> None:
    """Create the tables; nothing that is there is touched."""
    metadata = MetaData()
    Table("spaces", metadata, Column("space_id", _Id, primary_key=True))
    new = [_recognitions(metadata), *_queries(metadata), *_known(metadata)]
    metadata.create_all(connection, tables=new)


def _recognitions(metadata: MetaData) -> Table:
    return Table(
        "recognitions",
        metadata,
        Column("recognition_id", _Id, primary_key=True),
        Column("at", String(32), nullable=False),
        Column("path", Text),
        Column("sha256", String(64)),
        Column("x0", Float),
        Column("y0", Float),
        Column("x1", Float),
        Column("y1", Float),
        Column("detection_score", Float),
        Column("crop", LargeBinary, nullable=False),
        Column("crop_sha256", String(64), nullable=False, index=True),
        Column("space", String(64), nullable=False),
        Column("vector", LargeBinary, nullable=False),
        Column("label", Text),
        Column("matches", JSON, nullable=False),
        Column("margin", Float),
        Column("confidence", Float),
        Column("threshold", Float, nullable=False),
        Column("operating_point", Float),
        Column("ambiguity", Float, nullable=False, index=True),
        sqlite_autoincrement=True,
    )


def _queries(metadata: MetaData) -> tuple[Table, Table]:
    queries = Table(
        "queries",
        metadata,
        Column("query_id", _Id, primary_key=True),
        Column("jpeg", LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    vectors = Table(
        "query_vectors",
        metadata,
        Column("space_id", ForeignKey("spaces.space_id", ondelete="CASCADE"), primary_key=True),
        Column("query_id", ForeignKey("queries.query_id", ondelete="CASCADE"), primary_key=True),
        Column("vector", LargeBinary, nullable=False),
        Column("radius", Float),
    )
    return queries, vectors


def _known(metadata: MetaData) -> tuple[Table, Table]:
    rejections = Table(
        "rejections",
        metadata,
        Column("rejection_id", _Id, primary_key=True),
        Column("query_id", ForeignKey("queries.query_id"), nullable=False, index=True),
        Column("item_id", BigInteger, nullable=False, index=True),
        Column("recognition_id", BigInteger, index=True),
        Column("at", String(32), nullable=False),
        sqlite_autoincrement=True,
    )
    golden = Table(
        "golden_queries",
        metadata,
        Column("golden_id", _Id, primary_key=True),
        Column("query_id", ForeignKey("queries.query_id"), nullable=False, index=True),
        Column("item_id", BigInteger, index=True),
        Column("path", Text, nullable=False),
        Column("at", String(32), nullable=False),
        sqlite_autoincrement=True,
    )
    return rejections, golden
