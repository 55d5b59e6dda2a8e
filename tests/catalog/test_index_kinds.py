"""Galleries with an approximate index: built as asked, never rewritten for one picture."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fakes import FakeDescriber, colours, paint, paint_file
from forker import Forker

from shitu.catalog import Catalog
from shitu.catalog import cache as cache_module
from shitu.errors import RecallNotReached
from shitu.index.kinds import IndexChoice
from shitu.index.sealed_index import SealedIndex

if TYPE_CHECKING:
    from conftest import Shop

    from shitu.index import VectorIndex

pytestmark = pytest.mark.sqlite  # what is tested lies beside the database

Names = Callable[[Catalog, int], str]
Agree = Callable[[Catalog], bool]
KINDS = ("ivf-sq8", "ivf-rabitq", "hnsw")
ENDINGS = (".faiss", ".ids.npy", ".vectors.npy")
COUNT = 30
IVF = IndexChoice("ivf-sq8", 0.9)


@pytest.fixture
def large_shop(shop: Shop) -> Shop:
    """Thirty teas; nothing built yet."""
    for seed in range(COUNT):
        shop.paint(f"tea {seed}/{seed}.png", seed)
    return shop


@pytest.fixture
def built(large_shop: Shop) -> Shop:
    """Built as ivf-sq8, and closed."""
    catalog = large_shop.open(choice=IVF)
    large_shop.build(catalog)
    catalog.close()
    return large_shop


def manifest(shop: Shop) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shop.index / "manifest.json").read_text())
    return found


def files(shop: Shop) -> dict[str, tuple[int, int, bytes]]:
    """The index files: whether they were touched, and what is in them."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in shop.index.iterdir()
        if path.suffix in {".json", ".faiss", ".npy"}
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_that_was_asked_for(
    large_shop: Shop, names: Names, vectors_agree: Agree, kind: str
) -> None:
    catalog = large_shop.open(choice=IndexChoice(kind, 0.9))
    large_shop.build(catalog)
    assert (catalog.index_kind, manifest(large_shop)["kind"]) == (kind, kind)
    assert catalog.audit is not None
    assert catalog.audit.wanted == 0.9
    assert catalog.audit.queries == COUNT
    again = large_shop.open()  # whoever opens it takes what is there
    assert (again.index_state, again.index_kind, again.audit) == ("loaded", kind, catalog.audit)
    assert [names(again, seed) for seed in range(COUNT)] == [f"tea {i}" for i in range(COUNT)]
    assert vectors_agree(again)


def test_one_picture_more_or_less_writes_no_index_file(
    built: Shop, names: Names, vectors_agree: Agree
) -> None:
    before = files(built)
    assert sorted(before) == sorted(
        ["manifest.json", *(f["name"] for f in manifest(built)["files"])]
    )
    catalog = built.open()
    catalog.add([built.paint("cocoa/1.png", 100)], "cocoa")
    catalog.remove(label="tea 3")
    built.build(built.open(choice=IVF))
    assert files(built) == before
    again = built.open()
    assert (again.index_state, again.count) == ("caught up", COUNT)
    assert [names(again, seed) for seed in (2, 3, 100)] == ["tea 2", "nothing", "cocoa"]
    assert vectors_agree(again)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink, lambda file: file.write_bytes(b"")])
@pytest.mark.parametrize("ending", ENDINGS)
def test_damaged_files_are_made_anew(
    built: Shop, vectors_agree: Agree, ending: str, damage: Callable[[Path], object]
) -> None:
    damage(next(built.index.glob(f"base-*{ending}")))
    catalog = built.open(choice=IVF)
    assert catalog.index_state.startswith("rebuilt")
    assert catalog.index_kind == "ivf-sq8"
    assert vectors_agree(catalog)
    assert built.open().index_state == "loaded"
    assert len(list(built.index.glob("base-*"))) == len(ENDINGS)  # the old ones are gone


@pytest.mark.parametrize(
    "claim",
    [
        {"kind": "pq"},
        {"kind": "auto"},
        {"kind": "hnsw"},
        {"kind": "flat"},
        {"audit": None},
        {"audit": {"effort": 3}},
        {"count": 9},
        {"dim": 9},
    ],
)
def test_claims_that_are_not_true(
    built: Shop, vectors_agree: Agree, claim: dict[str, object]
) -> None:
    (built.index / "manifest.json").write_text(json.dumps({**manifest(built), **claim}))
    catalog = built.open()
    assert catalog.index_state.startswith("rebuilt")
    assert vectors_agree(catalog)


def test_check_reads_every_byte(built: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of files that are too large to be read whenever they are opened, only some blocks are.
    monkeypatch.setattr("shitu.index.checksums._WHOLE", 100)
    monkeypatch.setattr("shitu.index.checksums._BLOCK", 128)
    monkeypatch.setattr("shitu.index.checksums._SAMPLE", 0)
    (built.index / "manifest.json").unlink()
    built.open(choice=IVF).close()
    vectors = next(built.index.glob("base-*.vectors.npy"))
    flip(vectors)
    catalog = built.open()
    assert catalog.index_state == "loaded"
    assert any("damaged" in problem for problem in catalog.check(full=True).problems)
    flip(vectors)
    assert built.open().check().problems == ()
    head = bytearray(vectors.read_bytes())
    head[20] ^= 1
    vectors.write_bytes(head)
    assert built.open(read_only=True).index_state.startswith("rebuilt")


def test_a_worn_index_is_made_anew_and_readers_follow(
    built: Shop, vectors_agree: Agree, monkeypatch: pytest.MonkeyPatch, names: Names
) -> None:
    monkeypatch.setattr("shitu.index.sealed_index._WORN_LEAST", 3)
    reader, writer = built.open(read_only=True), built.open(choice=IVF)
    before = files(built)
    for seed in range(100, 103):
        writer.add([built.paint(f"cocoa/{seed}.png", seed)], "cocoa")
        reader.refresh()
    assert files(built) == before
    writer.remove(label="tea 5")
    after = files(built)
    assert not set(before) & set(after) - {"manifest.json"}
    assert manifest(built)["count"] == COUNT + 2
    assert reader.refresh()
    for catalog in (reader, writer, built.open()):
        assert isinstance(catalog._cache.index, SealedIndex)  # type: ignore[union-attr]
        assert not catalog._cache.index.worn  # type: ignore[union-attr]
        assert [names(catalog, seed) for seed in (5, 6, 102)] == ["nothing", "tea 6", "cocoa"]
        assert vectors_agree(catalog)


def test_files_made_while_others_write_fit_their_manifest(
    large_shop: Shop, monkeypatch: pytest.MonkeyPatch, vectors_agree: Agree
) -> None:
    large_shop.build(large_shop.open())
    other = large_shop.open()
    gather = cache_module.gather_index

    def interrupted(*args: Any) -> Callable[[bool], VectorIndex]:
        make = gather(*args)
        other.remove(label="tea 3")  # while the base is made
        other.add([large_shop.paint("cocoa/1.png", 100)], "cocoa")
        other.add([large_shop.paint("cocoa/2.png", 101)], "cocoa")
        return make

    catalog = large_shop.open(choice=IVF)
    with monkeypatch.context() as patch:
        patch.setattr(cache_module, "gather_index", interrupted)
        large_shop.build(catalog)
    assert manifest(large_shop)["count"] == COUNT
    again = large_shop.open()
    assert (again.index_state, again.index_kind) == ("caught up", "ivf-sq8")
    assert (again.count, catalog.count) == (COUNT + 1, COUNT + 1)
    assert vectors_agree(again)


def test_whoever_makes_a_worn_index_anew_keeps_its_kind(
    built: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shitu.index.sealed_index._WORN_LEAST", 0)
    for seed in (5, 6):
        built.open().remove(label=f"tea {seed}")
    found = manifest(built)
    assert (found["kind"], found["count"], found["audit"]["wanted"]) == ("ivf-sq8", COUNT - 2, 0.9)


def test_everything_may_be_removed(built: Shop) -> None:
    catalog = built.open(choice=IVF)
    for seed in range(COUNT):
        catalog.remove(label=f"tea {seed}")
    assert catalog.count == 0
    assert catalog.search(colours(paint(1))[None], 2).reference_ids.tolist() == [[-1, -1]]
    assert built.open().check().problems == ()


def test_auto_goes_by_the_number_of_vectors(
    large_shop: Shop, monkeypatch: pytest.MonkeyPatch, vectors_agree: Agree
) -> None:
    catalog = large_shop.open()
    large_shop.build(catalog)
    assert catalog.index_kind == "flat"
    monkeypatch.setattr("shitu.index.kinds._FLAT_UP_TO", COUNT - 1)
    catalog.relabel("tea 1", "coffee")
    assert catalog.index_kind == "flat"  # a small change never takes long
    large_shop.build(catalog)
    assert catalog.index_kind == "ivf-sq8"
    assert not (large_shop.index / "vectors.faiss").exists()
    assert vectors_agree(catalog)
    monkeypatch.setattr("shitu.index.kinds._FLAT_UP_TO", COUNT)
    large_shop.build(catalog)
    assert (catalog.index_kind, catalog.audit) == ("flat", None)
    assert list(large_shop.index.glob("base-*")) == []
    assert vectors_agree(large_shop.open())


def test_another_recall_is_audited_anew(built: Shop) -> None:
    catalog = built.open(choice=IndexChoice("ivf-sq8", 0.95))
    built.build(catalog)
    assert manifest(built)["audit"]["wanted"] == 0.95


def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RecallNotReached("it finds too little")

    monkeypatch.setattr("shitu.index.sealed_index.tune", refuse)


def test_a_recall_that_cannot_be_reached_is_refused_and_nothing_is_lost(
    built: Shop, monkeypatch: pytest.MonkeyPatch, vectors_agree: Agree
) -> None:
    unreachable(monkeypatch)
    before = files(built)
    built.paint("cocoa/1.png", 100)
    with pytest.raises(RecallNotReached):
        built.build(built.open(choice=IndexChoice("hnsw", 0.99)))
    assert files(built) == before
    again = built.open()
    assert (again.count, again.index_state) == (COUNT + 1, "caught up")
    assert vectors_agree(again)


def test_auto_falls_back_to_flat(
    large_shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unreachable(monkeypatch)
    monkeypatch.setattr("shitu.index.kinds._FLAT_UP_TO", 3)
    catalog = large_shop.open()
    large_shop.build(catalog)
    assert (catalog.index_kind, manifest(large_shop)["kind"]) == ("flat", "flat")
    assert "a flat index is used instead" in caplog.text


def test_who_only_reads_never_trains(built: Shop, names: Names) -> None:
    next(built.index.glob("base-*.faiss")).unlink()
    before = files(built)
    reader = built.open(read_only=True, choice=IVF)
    assert (reader.index_kind, reader.count, names(reader, 7)) == ("flat", COUNT, "tea 7")
    assert files(built) == before


def test_files_replaced_while_they_are_being_opened(
    built: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, turns = cache_module.load_index, iter(range(9))

    def replaced(*arguments: Any) -> None:
        if next(turns) == 0:
            with monkeypatch.context() as patch:
                patch.setattr(cache_module, "load_index", load)
                built.build(built.open(FakeDescriber(), choice=IndexChoice("ivf-sq8", 0.8)))
        load(*arguments)

    monkeypatch.setattr(cache_module, "load_index", replaced)
    assert built.open().index_state == "loaded"
    assert next(turns) == 2


@pytest.mark.parametrize("point", ["with half the vectors written", "between vectors and manifest"])
def test_a_process_that_dies_while_it_saves_a_base(forker: Forker, place: Path, point: str) -> None:
    for number in range(12):
        paint_file(place / "photos" / f"tea {number}" / "1.png", number)
    where = {"index": str(place / "index"), "photos": str(place / "photos"), "kind": "ivf-sq8"}
    assert forker.run(do="build", **where).code == 0
    before = sorted(path.name for path in (place / "index").glob("base-*"))
    for number in range(12, 40):
        paint_file(place / "photos" / f"tea {number}" / "1.png", number)
    kind = {**where, "kind": "hnsw"}
    assert forker.run(do="build", die=point, **kind).code == -signal.SIGKILL
    with Catalog.open(place / "index", FakeDescriber(), create=True) as catalog:
        assert (catalog.index_state, catalog.index_kind) == ("caught up", "ivf-sq8")
        assert (catalog.count, catalog.check().problems) == (40, ())
    assert forker.run(do="build", **kind).code == 0  # which sweeps up, too
    after = sorted(path.name for path in (place / "index").glob("*.*"))
    assert len([name for name in after if name.startswith("base-")]) == len(ENDINGS)
    assert not set(before) & set(after)


def test_an_approximate_index_searches_among_the_allowed(built: Shop) -> None:
    catalog = built.open()
    allowed = np.array([r.reference_id for r in catalog.all_references()][::3])
    found = catalog.search(colours(paint(1))[None], COUNT, allowed)
    assert sorted(found.reference_ids[0, : len(allowed)]) == allowed.tolist()
    assert (found.reference_ids[0, len(allowed) :] == -1).all()
