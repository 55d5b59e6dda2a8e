"""Step 4: a place for what geometric checks have found out about the pictures of references."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

_Id = BigInteger().with_variant(Integer, "sqlite")


def upgrade(connection: Connection) -> None:
    """Create the table; it fills by itself."""
    metadata = MetaData()
    Table(
        "local_features",
        metadata,
        Column("reference_id", _Id, primary_key=True, autoincrement=False),
        Column("fingerprint", String(64), nullable=False),
        Column("features", LargeBinary, nullable=False),
    )
    metadata.create_all(connection)
