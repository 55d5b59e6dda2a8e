"""What a change of the log did, in one sentence."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from shitu.figures import many
from shitu.gallery import Change, Space
from shitu.gallery.records import same_json

_SHOWN = 3  # items named before "and so many more"

_Row = Mapping[str, Any]


def sentence(change: Change) -> str:
    """Say in words what a change did, from the rows that it touched."""
    parts = [
        *_notes(change),
        *_items(change),
        *_references(change),
        *_first(_rejections(change), "rejections"),
        *_first(_golden(change), "golden queries"),
        *_root(change),
    ]
    return "; ".join(parts) or "changed nothing that is shown here"


def _notes(change: Change) -> Iterator[str]:
    for note in change.after.get("undo", ()):
        if "back_to" in note:
            yield f"went back to generation {note['back_to']}"
        else:
            yield f"undid generation {note['undone']}"
    yield from _feedback(change)
    for space in change.after.get("space", ()):
        was, now = _space(change.before["space"][0]), _space(space)
        cropped = many(len(change.after.get("boxes", ())), "picture")
        yield (
            f"went over from {was.called_beside(now)} to {now.called_beside(was)}; {cropped} "
            "cropped anew"
        )
    for row in change.after.get("adapter", ()):
        name = row["name"]
        yield "embeddings are no longer adapted" if name is None else f"adapted by {name}"
    for row in change.after.get("calibration", ()):
        name = row["name"]
        yield "answers are no longer calibrated" if name is None else f"calibrated for {name}"
    for note in change.after.get("compact", ()):
        yield (
            f"forgot vectors and thumbnails of {many(note['forgotten'], 'reference')} removed "
            f"before generation {note['before']}"
        )
        if note.get("queries"):
            yield f"forgot {many(note['queries'], 'picture')} of rejections and golden queries"
    for row in change.after.get("space", ()):
        yield f"vectors of the model {row['called']} are in use"


def _space(told: Mapping[str, Any]) -> Space:
    return Space(told["fingerprint"], told["dim"], {"name": told["called"]})


def _feedback(change: Change) -> Iterator[str]:
    for kind in ("confirm", "reject"):
        for note in change.after.get(kind, ()):
            of = f" of {note['picture']}" if note["picture"] else ""
            yield f"{kind}ed recognition {note['recognition']}{of}"


def _items(change: Change) -> Iterator[str]:
    for was, now in _pairs(change, "items", "item_id"):
        if was and now and was["label"] != now["label"]:
            yield f"{was['label']!r} is called {now['label']!r} now"
        if was and now and not same_json(was["attributes"], now["attributes"]):
            yield f"{now['label']!r}: {', '.join(_attributes(was, now))}"


def _attributes(was: _Row, now: _Row) -> Iterator[str]:
    old, new = was["attributes"], now["attributes"]
    for key, value in new.items():
        if key not in old or not same_json(old[key], value):
            yield f"{key}={json.dumps(value, ensure_ascii=False)}"
    yield from (f"{key} unset" for key in old if key not in new)


def _references(change: Change) -> Iterator[str]:
    came, went, moved, assigned = Counter[str](), Counter[str](), 0, Counter[tuple[str, str]]()
    for was, now in _pairs(change, "references", "reference_id"):
        if was and now:
            moved += was["path"] != now["path"]
            if was["item_id"] != now["item_id"]:
                assigned[was["label"], now["label"]] += 1
        elif now:
            came[now["label"]] += 1
        elif was:
            went[was["label"]] += 1
    items = {kind: _labels(change, kind) for kind in ("came", "went")}
    yield from _each(came, items["came"], "came with", "got", "pictures came to")
    yield from _each(went, items["went"], "went with", "lost", "pictures went from")
    for (old, new), count in assigned.items():
        yield f"{many(count, 'picture')} of {old!r} came to {new!r}"
    for name in sorted(items["went"] - set(went)):
        yield f"{name!r} went"
    if moved:
        yield f"{many(moved, 'picture')} moved on the disk"


def _rejections(change: Change) -> Iterator[str]:
    for was, now in _pairs(change, "rejections", "rejection_id"):
        name = _called(change, now or was or {})
        if now and not was:
            yield f"{name} is no answer to pictures like that (rejection {_id(now)})"
        elif was and not now:
            yield f"rejection {_id(was)} of {name} was taken back"
        elif now:
            yield f"rejection {_id(now)} is about {name} now"


def _golden(change: Change) -> Iterator[str]:
    for was, now in _pairs(change, "golden_queries", "golden_id"):
        row = now or was or {}
        wanted = "unknown" if row["item_id"] is None else _called(change, row)
        name = f"golden query {_id(row)} ({row['path']})"
        if not was:
            yield f"{name} is to be {wanted}"
        else:
            yield f"{name} is to be {wanted} now" if now else f"{name} was removed"


def _called(change: Change, row: _Row) -> str:
    """The label of the item that a row is about; it may have gone, or come, with that change."""
    there = [*change.before.get("items", ()), *change.after.get("items", ())]
    labels = [item["label"] for item in there if item["item_id"] == row["item_id"]]
    label = row["label"] if row["label"] is not None or not labels else labels[0]
    return "an item that is gone" if label is None else repr(label)


def _first(parts: Iterator[str], others: str) -> Iterator[str]:
    """An import may bring any number of them."""
    yield from islice(parts, _SHOWN)
    rest = sum(1 for _ in parts)
    if rest:
        yield f"{rest} more {others}"


def _id(row: _Row) -> int:
    return int(row["rejection_id"] if "rejection_id" in row else row["golden_id"])


def _labels(change: Change, kind: str) -> set[str]:
    pairs = _pairs(change, "items", "item_id")
    if kind == "came":
        return {now["label"] for was, now in pairs if now and not was}
    return {was["label"] for was, now in pairs if was and not now}


def _each(
    counts: Counter[str], whole: set[str], with_item: str, alone: str, together: str
) -> Iterator[str]:
    """One part for each item where they are few, one for all where they are many."""
    if len(counts) > _SHOWN:
        named = ", ".join(repr(name) for name in list(counts)[:_SHOWN])
        rest = len(counts) - _SHOWN
        yield f"{counts.total()} {together} {len(counts)} items: {named} and {rest} more"
        return
    for name, count in counts.items():
        verb = with_item if name in whole else alone
        yield f"{name!r} {verb} {many(count, 'picture')}"


def _root(change: Change) -> Iterator[str]:
    for row in change.after.get("root", ()):
        yield f"pictures live in {row['path']}"


def _pairs(change: Change, kind: str, key: str) -> Iterable[tuple[_Row | None, _Row | None]]:
    """Each row of a kind before and after, by id."""
    before = {row[key]: row for row in change.before.get(kind, ())}
    after = {row[key]: row for row in change.after.get(kind, ())}
    return [(before.get(i), after.get(i)) for i in sorted({*before, *after})]
