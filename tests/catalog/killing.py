"""Kills writers of all kinds at random points, and looks whether anything was lost.

Each deed is run once undisturbed; its log says which states there are on the way. After a kill, a
fresh open must show exactly one of those, everything must pass `check`, every picture must still
be on the disk, and the same deed again must lead to the same end.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answering import logged
from fakes import FakeDescriber, paint, paint_file
from forker import Forker, Outcome

from shitu.catalog import Catalog, entries_from_folder
from shitu.index.kinds import IndexChoice

_RECALL = 0.9
SLOW = 0.002  # seconds that a picture takes to be described

Rows = dict[int, tuple[Any, ...]]
State = tuple[Rows, Rows]  # items and references by id


@dataclass(frozen=True, eq=False)
class Deed:
    """Something that a process does to a shop.

    Args:
        name: as it is told.
        job: of the forker; `{shop}` in its texts becomes the shop's folder.
        prepare: what happens to the folder before.
    """

    name: str
    job: dict[str, Any]
    prepare: Callable[[Path], object] = lambda shop: None


@dataclass(frozen=True)
class Kill:
    """One kill and what came of it; `why` is empty where nothing was lost."""

    deed: str
    how: str
    why: str


def _without_index(shop: Path) -> None:
    shutil.rmtree(shop / "index")


def _changed_folder(shop: Path) -> None:
    """One picture each that is new, moved, overwritten and gone; and a folder renamed."""
    photos = shop / "photos"
    (photos / "tea 1" / "1.png").rename(photos / "tea 1" / "moved.png")
    (photos / "tea 1" / "4.png").unlink()
    paint_file(photos / "tea 1" / "7.png", 207)
    (photos / "tea 2").rename(photos / "chai")
    for number in range(4):
        paint_file(photos / "mate" / f"{number}.png", 220 + number)


CAMERA = [f"{{shop}}/camera/{number}.png" for number in range(4)]

# To add a deed, add a line; what it needs in the shop is made by `make_shop`.
DEEDS = (
    Deed("build", {"do": "build", "pause": SLOW}, _without_index),
    Deed("build again", {"do": "build", "pause": SLOW, "prune": True}, _changed_folder),
    Deed("add", {"do": "add", "pictures": CAMERA, "label": "cocoa", "pause": SLOW}),
    Deed("add each", {"do": "add each", "pictures": CAMERA, "label": "tea 0", "pause": SLOW}),
    Deed("remove", {"do": "remove", "label": "tea 1"}),
    Deed("relabel", {"do": "relabel", "label": "tea 1", "to": "coffee"}),
    Deed("merge", {"do": "merge", "labels": ["tea 1", "tea 2"], "into": "tea 0"}),
    Deed("set-attr", {"do": "set-attr", "label": "tea 1", "attributes": {"shelf": 3}}),
    Deed("undo", {"do": "undo", "generation": 6}),
    Deed("go back", {"do": "go back", "generation": 2}),
    Deed("compact", {"do": "compact", "before": "7"}),
    Deed("sync", {"do": "sync", "pause": SLOW}, _changed_folder),
    Deed("import", {"do": "import", "file": "{shop}/other.gallery"}),
    Deed("confirm", {"do": "confirm", "recognition": 1, "label": "tea 0"}),
    Deed("reject", {"do": "reject", "recognition": 1, "label": "tea 1"}),
    Deed("golden", {"do": "golden", "picture": "{shop}/camera/1.png", "label": "tea 1"}),
    Deed("migrate", {"do": "migrate", "to": "corners", "bare": True, "pause": SLOW}),
)


def make_shop(shop: Path, kind: str) -> None:
    """A shop with a past: built, added to, described, relabelled, removed from and undone."""
    choice = IndexChoice(kind, _RECALL)
    for number in range(12):
        paint_file(shop / "photos" / f"tea {number % 3}" / f"{number}.png", number)
    for number in range(4):
        paint_file(shop / "camera" / f"{number}.png", 100 + number)
        paint_file(
            shop / "elsewhere" / f"{'rum' if number % 2 else 'tea 0'}" / f"{number}.png",
            300 + number,
        )
    with Catalog.open(shop / "index", FakeDescriber(), create=True, choice=choice) as catalog:
        catalog.build(entries_from_folder(shop / "photos"), root=shop / "photos")
        for number in (110, 111):
            catalog.add([paint_file(shop / "camera" / f"{number}.png", number)], "juice")
        catalog.set_attributes("juice", {"price": 1.5})
        catalog.relabel("juice", "squash")
        catalog.remove(label="squash")
        catalog.set_attributes("tea 0", {"shelf": 7})
        logged(catalog, paint(400))
    with Catalog.open(shop / "other", FakeDescriber(), create=True) as other:
        other.build(entries_from_folder(shop / "elsewhere"), root=shop / "elsewhere")
        other.export(shop / "other.gallery", pictures=True)


class Killer:
    """Runs deeds on copies of one shop, which always lie in the same place.

    Args:
        place: an empty folder, best in memory.
        deeds: to choose from.
        kind: of the index.
    """

    def __init__(
        self, place: Path, forker: Forker, deeds: Sequence[Deed] = DEEDS, kind: str = "flat"
    ) -> None:
        self._kind = kind
        self._shop = place / "shop"
        self._template = place / "template"
        self._forker = forker
        self._steps_file = place / "steps"
        make_shop(self._shop, kind)
        shutil.copytree(self._shop, self._template)
        self._undisturbed = {deed: self._run_undisturbed(deed) for deed in deeds}

    def run(self, kills: int, seed: int) -> Iterator[Kill]:
        """Yield as many kills, of one deed after the other."""
        chance = random.Random(seed)
        deeds = list(self._undisturbed)
        done = 0
        while done < kills:
            deed = deeds[done % len(deeds)]
            kill = self._kill(deed, chance)
            if kill is not None:  # else it was through before it could be killed
                done += 1
                yield kill

    def _run_undisturbed(self, deed: Deed) -> _Undisturbed:
        pictures = self._fresh(deed)
        outcome = self._run(deed, steps=str(self._steps_file))
        if outcome.code:
            raise AssertionError(f"{deed.name} fails by itself: {outcome.text}")
        taken = int(self._steps_file.read_text())
        self._fresh(deed)
        seconds = self._run(deed).seconds
        with self._open() as catalog:
            states = _states(catalog)
            if states[-1] != _state(catalog):
                raise AssertionError(f"{deed.name} leads elsewhere than its log says")
            return _Undisturbed(states, _content(catalog), taken, seconds, pictures)

    def _kill(self, deed: Deed, chance: random.Random) -> Kill | None:
        known = self._undisturbed[deed]
        self._fresh(deed)
        if chance.random() < 0.5:
            after = chance.uniform(0, known.seconds)
            how, outcome = f"after {after:.4f} s", self._run(deed, after=after)
        else:
            step = chance.randint(1, known.steps)
            how, outcome = f"before step {step}", self._run(deed, step=step)
        if outcome.code == 0:
            return None
        if outcome.code != -signal.SIGKILL:
            return Kill(deed.name, how, f"failed before it was killed: {outcome.text}")
        return Kill(deed.name, how, self._lost(deed, known, again=chance.random() < 0.5))

    def _lost(self, deed: Deed, known: _Undisturbed, *, again: bool) -> str:
        """Say what is wrong in the shop now."""
        try:
            with self._open() as catalog:
                generation = catalog.gallery.head().generation
                allowed = known.states[generation : generation + 1]
                if [_state(catalog)] != allowed:
                    return f"generation {generation} is not what it was without a kill"
                if problems := catalog.check(full=True).problems:
                    return "; ".join(problems)
                through = _content(catalog) == known.content
        except Exception as error:
            return f"cannot be opened: {error!r}"
        if lost := known.pictures - _pictures(self._shop):
            return f"{len(lost)} pictures are gone from the disk"
        return self._goes_on(deed, known) if again and not through else ""

    def _goes_on(self, deed: Deed, known: _Undisturbed) -> str:
        outcome = self._run(deed)
        if outcome.code:
            return f"the same again fails: {outcome.text}"
        with self._open() as catalog:
            if problems := catalog.check().problems:
                return "after the same again: " + "; ".join(problems)
            if _content(catalog) != known.content:
                return f"the same again leads to {_content(catalog)}"
        return ""

    def _fresh(self, deed: Deed) -> set[str]:
        shutil.rmtree(self._shop, ignore_errors=True)
        shutil.copytree(self._template, self._shop)
        deed.prepare(self._shop)
        return _pictures(self._shop)

    def _run(self, deed: Deed, **extra: Any) -> Outcome:
        where = {"index": str(self._shop / "index"), "photos": str(self._shop / "photos")}
        where["kind"] = self._kind
        job = {key: self._filled(value) for key, value in deed.job.items()}
        return self._forker.run(**job, **where, **extra)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        return value.replace("{shop}", str(self._shop)) if isinstance(value, str) else value

    def _open(self) -> Catalog:
        choice = IndexChoice(self._kind, _RECALL)
        return Catalog.open(self._shop / "index", create=True, choice=choice)


@dataclass(frozen=True)
class _Undisturbed:
    states: list[State]  # by generation
    content: object
    steps: int
    seconds: float
    pictures: set[str]


def _state(catalog: Catalog) -> State:
    return (
        {item.item_id: (item.label, dict(item.attributes)) for item in catalog.items()},
        {r.reference_id: (r.item_id, r.sha256) for r in catalog.all_references()},
    )


def _states(catalog: Catalog) -> list[State]:
    """All states that the gallery has been in, from the beginning."""
    items: Rows = {}
    references: Rows = {}
    states: list[State] = [({}, {})]
    for change in catalog.history():
        for kind, key, rows, columns in (
            ("items", "item_id", items, ("label", "attributes")),
            ("references", "reference_id", references, ("item_id", "sha256")),
        ):
            for row in change.before.get(kind, ()):
                rows.pop(row[key], None)
            for row in change.after.get(kind, ()):
                rows[row[key]] = tuple(row[column] for column in columns)
        states.append((dict(items), dict(references)))
    return states


def _content(catalog: Catalog) -> object:
    """What it comes to, whatever the numbers are."""
    labels = {item.label: (dict(item.attributes), set[str]()) for item in catalog.items()}
    for reference in catalog.all_references():
        labels[reference.label][1].add(reference.sha256)
    space = catalog.gallery.active_space()
    said = [(one.label, one.recognition_id) for one in catalog.rejections()]
    golden = [(one.label, one.path) for one in catalog.golden()]
    return labels, space and space.fingerprint, said, golden


def _pictures(shop: Path) -> set[str]:
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in shop.rglob("*.png")}
