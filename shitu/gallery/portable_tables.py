"""The tables of a portable file, format by format, and what no row of them may be."""

from __future__ import annotations

from collections.abc import Mapping

_GALLERY = {
    "items": "item_id INTEGER PRIMARY KEY, label TEXT, attributes TEXT, created_at TEXT",
    "refs": (
        "reference_id INTEGER PRIMARY KEY, item_id INTEGER, sha256 TEXT, path TEXT, source TEXT, "
        "size INTEGER, mtime_ns INTEGER, x0 REAL, y0 REAL, x1 REAL, y1 REAL, box_given INTEGER, "
        "added_at TEXT, how TEXT"
    ),
    "spaces": (
        "space_id INTEGER PRIMARY KEY, fingerprint TEXT, description TEXT, dim INTEGER, "
        "active INTEGER"
    ),
    "vectors": "reference_id INTEGER PRIMARY KEY, space_id INTEGER, vector BLOB",
    "thumbnails": "reference_id INTEGER PRIMARY KEY, jpeg BLOB",
    "pictures": "reference_id INTEGER PRIMARY KEY, data BLOB",
    "meta": "key TEXT PRIMARY KEY, value TEXT",
}
# What is known of queries; where one comes from a recognition is not: the log of those stays.
_KNOWN = {
    "queries": "query_id INTEGER PRIMARY KEY, jpeg BLOB",
    "query_vectors": ("query_id INTEGER PRIMARY KEY, space_id INTEGER, vector BLOB, radius REAL"),
    "rejections": ("rejection_id INTEGER PRIMARY KEY, query_id INTEGER, item_id INTEGER, at TEXT"),
    "golden_queries": (
        "golden_id INTEGER PRIMARY KEY, query_id INTEGER, item_id INTEGER, path TEXT, at TEXT"
    ),
}
TABLES: Mapping[int, Mapping[str, str]] = {1: _GALLERY, 2: {**_GALLERY, **_KNOWN}}
FORMAT = max(TABLES)
OF_REFERENCES = ("refs", "vectors", "thumbnails", "pictures")  # at most a row for each

# Each finds a row that no export writes; a file made by hand may have a right checksum.
_WRONG_GALLERY = {
    "an item is malformed": (
        "SELECT 1 FROM items WHERE typeof(label) != 'text' OR trim(label) = '' OR "
        "typeof(created_at) != 'text' OR NOT json_valid(attributes) OR "
        "json_type(attributes) != 'object'"
    ),
    "two items have one label": "SELECT 1 FROM items GROUP BY label HAVING count(*) > 1",
    "a reference is malformed": (
        "SELECT 1 FROM refs WHERE typeof(sha256) != 'text' OR length(sha256) != 64 OR "
        "sha256 GLOB '*[^0-9a-f]*' OR typeof(path) != 'text' OR instr(path, char(0)) OR "
        "typeof(source) NOT IN ('text', 'null') OR typeof(size) != 'integer' OR "
        "typeof(mtime_ns) != 'integer' OR box_given NOT IN (0, 1) OR "
        "typeof(added_at) != 'text' OR length(added_at) > 32 OR typeof(how) != 'text' OR "
        "length(how) > 16 OR typeof(x0) NOT IN ('real', 'null') OR typeof(y0) != typeof(x0) OR "
        "typeof(x1) != typeof(x0) OR typeof(y1) != typeof(x0)"
    ),
    "two references have one content": "SELECT 1 FROM refs GROUP BY sha256 HAVING count(*) > 1",
    "a reference has no item": (
        "SELECT 1 FROM refs LEFT JOIN items USING (item_id) WHERE items.item_id IS NULL"
    ),
    "its space is malformed": (
        "SELECT 1 FROM spaces WHERE (SELECT count(*) FROM spaces) != 1 OR "
        "typeof(fingerprint) != 'text' OR length(fingerprint) > 64 OR typeof(dim) != 'integer' OR "
        "dim < 1 OR NOT json_valid(description) OR json_type(description) != 'object'"
    ),
    "a reference has no vector of its space's size": (
        "SELECT 1 FROM refs LEFT JOIN vectors USING (reference_id) LEFT JOIN spaces "
        "USING (space_id) WHERE length(vector) != 4 * dim OR vector IS NULL OR dim IS NULL OR "
        "typeof(vector) != 'blob'"
    ),
    "a thumbnail is malformed": "SELECT 1 FROM thumbnails WHERE typeof(jpeg) != 'blob'",
    "a picture is malformed": "SELECT 1 FROM pictures WHERE typeof(data) != 'blob'",
}
_NO_TIME = "typeof(at) != 'text' OR length(at) NOT BETWEEN 1 AND 32 OR instr(at, char(0))"
_WRONG_KNOWN = {
    "a query is malformed": (
        "SELECT 1 FROM queries WHERE typeof(jpeg) != 'blob' OR substr(jpeg, 1, 3) IS NOT x'ffd8ff'"
    ),
    "a query is used by nothing": (
        "SELECT 1 FROM queries WHERE query_id NOT IN "
        "(SELECT query_id FROM rejections UNION ALL SELECT query_id FROM golden_queries)"
    ),
    # It may have none: where the model was missing when the gallery went over to it.
    "a query has a vector that is not of its space's size": (
        "SELECT 1 FROM query_vectors LEFT JOIN queries USING (query_id) LEFT JOIN spaces "
        "USING (space_id) WHERE jpeg IS NULL OR dim IS NULL OR typeof(vector) != 'blob' OR "
        "length(vector) != 4 * dim"
    ),
    "a rejection has no neighbourhood": (
        "SELECT 1 FROM query_vectors WHERE typeof(radius) NOT IN ('real', 'null') OR "
        "radius NOT BETWEEN 0 AND 1"
    ),
    "a rejection is malformed": f"SELECT 1 FROM rejections WHERE {_NO_TIME}",  # noqa: S608
    "a rejection has no query or no item": (
        "SELECT 1 FROM rejections LEFT JOIN queries USING (query_id) LEFT JOIN items "
        "USING (item_id) WHERE jpeg IS NULL OR label IS NULL"
    ),
    "a golden query is malformed": (
        "SELECT 1 FROM golden_queries WHERE typeof(path) != 'text' OR "  # noqa: S608
        f"instr(path, char(0)) OR {_NO_TIME}"
    ),
    "a golden query has no query or no item": (
        "SELECT 1 FROM golden_queries LEFT JOIN queries USING (query_id) LEFT JOIN items "
        "USING (item_id) WHERE jpeg IS NULL OR (item_id IS NOT NULL AND label IS NULL)"
    ),
}
WRONG: Mapping[int, Mapping[str, str]] = {
    1: _WRONG_GALLERY,
    2: {**_WRONG_GALLERY, **_WRONG_KNOWN},
}


def statements(version: int) -> dict[str, str]:
    """Return how the tables of a format are made, by name."""
    return {name: f"CREATE TABLE {name} ({columns})" for name, columns in TABLES[version].items()}
