"""Step 2: vectors and thumbnails outlive their reference, so that a removal can be undone."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    text,
)
from sqlalchemy.schema import CreateIndex, CreateTable, DropConstraint

_Id = BigInteger().with_variant(Integer, "sqlite")


def upgrade(connection: Connection) -> None:
    """Take the foreign key to the references off both tables; their rows stay."""
    if connection.dialect.name == "sqlite":
        for table in _tables():
            _rebuild(connection, table)
    else:
        for name in ("thumbnails", "embeddings"):
            _drop_keys(connection, name)


def _tables() -> tuple[Table, Table]:
    metadata = MetaData()
    Table("spaces", metadata, Column("space_id", _Id, primary_key=True))
    thumbnails = Table(
        "thumbnails",
        metadata,
        Column("reference_id", _Id, primary_key=True, autoincrement=False),
        Column("jpeg", LargeBinary, nullable=False),
    )
    embeddings = Table(
        "embeddings",
        metadata,
        Column("space_id", ForeignKey("spaces.space_id", ondelete="CASCADE"), primary_key=True),
        Column("reference_id", _Id, primary_key=True, autoincrement=False, index=True),
        Column("vector", LargeBinary, nullable=False),
    )
    return thumbnails, embeddings


def _rebuild(connection: Connection, table: Table) -> None:
    """SQLite cannot drop a key: the rows move to a new table, which takes the name."""
    columns = ", ".join(column.name for column in table.columns)
    old = f"{table.name}_1"
    connection.execute(text(f"ALTER TABLE {table.name} RENAME TO {old}"))
    for index in table.indexes:
        connection.execute(text(f"DROP INDEX {index.name}"))
    connection.execute(CreateTable(table))
    connection.execute(
        text(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {old}")  # noqa: S608
    )
    connection.execute(text(f"DROP TABLE {old}"))
    for index in table.indexes:
        connection.execute(CreateIndex(index))


def _drop_keys(connection: Connection, name: str) -> None:
    table = Table(name, MetaData(), autoload_with=connection)
    for key in table.foreign_key_constraints:
        if key.referred_table.name == "item_references":
            connection.execute(DropConstraint(key))
