"""What is peculiar to PostgreSQL: taking turns, and what a server can do to those who use it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from postgres import Schemas
from sqlalchemy import inspect

from shitu.errors import GalleryError, GalleryLocked, IndexNotFound
from shitu.gallery.engine import open_url
from shitu.gallery.gallery import Gallery
from shitu.gallery.pending import Pending

Add = Callable[..., list[int]]


@pytest.fixture
def url(postgres: Schemas, request: pytest.FixtureRequest) -> str:
    if request.config.getoption("database") == "sqlite":
        pytest.skip("not asked for")
    return postgres.new()


def test_many_processes_may_make_the_tables_at_once(url: str, tmp_path: Path, add: Add) -> None:
    def use(number: int) -> int:
        with closing(Gallery.open(url, tmp_path)) as gallery:
            return add(gallery, "tea", number)[0]

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(use, range(8)))
    with closing(Gallery.open(url, tmp_path)) as gallery:
        assert sorted(numbers) == [r.reference_id for r in gallery.all_references()]
        assert [change.generation for change in gallery.history()] == list(range(1, 9))


def test_a_second_writer_waits_and_sees_what_the_first_did(
    url: str, tmp_path: Path, add: Add
) -> None:
    with closing(Gallery.open(url, tmp_path)) as first, closing(Gallery.open(url, tmp_path)) as two:
        writing = threading.Thread(target=add, args=(two, "tea", 2))
        with first.write("slow") as transaction:
            writing.start()
            writing.join(0.2)
            assert writing.is_alive()
            transaction.set_root(tmp_path / "photos")
            transaction.ensure_item("tea")
        writing.join(20)
        assert [item.references for item in first.items()] == [1]
        assert first.root() == tmp_path / "photos"


def test_who_waits_too_long_is_told_why(url: str, tmp_path: Path) -> None:
    with (
        closing(Gallery.open(url, tmp_path)) as first,
        closing(Gallery.open(url, tmp_path, timeout=0.1)) as second,
        first.write("slow"),
        pytest.raises(GalleryLocked, match="locked by another process"),
        second.write("quick"),
    ):
        pass


def test_a_reader_is_not_held_up(url: str, tmp_path: Path, add: Add) -> None:
    with closing(Gallery.open(url, tmp_path)) as one, closing(Gallery.open(url, tmp_path)) as two:
        add(one, "tea", 1)
        with one.write("slow") as transaction:
            transaction.ensure_item("coffee")
            assert [item.label for item in two.items()] == ["tea"]
        assert [item.label for item in two.items()] == ["coffee", "tea"]


def test_a_server_that_was_restarted_is_asked_again(
    url: str, postgres: Schemas, tmp_path: Path, add: Add
) -> None:
    with closing(Gallery.open(url, tmp_path)) as gallery:
        add(gallery, "tea", 1)
        postgres.disconnect_all()
        assert gallery.count() == 1


def test_a_connection_lost_while_writing_loses_nothing_else(
    url: str, postgres: Schemas, tmp_path: Path, add: Add
) -> None:
    with closing(Gallery.open(url, tmp_path)) as gallery:
        add(gallery, "tea", 1)
        with pytest.raises(GalleryError, match="cannot be reached") as caught:
            lose(gallery, postgres)
        assert "\n" not in str(caught.value)
        assert [item.label for item in gallery.items()] == ["tea"]
        add(gallery, "tea", 2)
        assert gallery.head().generation == 2


def lose(gallery: Gallery, postgres: Schemas) -> None:
    with gallery.write("add") as transaction:
        transaction.ensure_item("coffee")
        postgres.disconnect_all()


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    url = f"postgresql://me:secret@/shop?host={tmp_path}"
    with pytest.raises(GalleryError, match="cannot be reached") as caught:
        Gallery.open(url, tmp_path)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_threads_may_write_while_the_one_that_does_reads_as_well(
    url: str, tmp_path: Path, add: Add
) -> None:
    """More than there are connections: whoever waits must not keep one from whoever writes."""
    with closing(Gallery.open(url, tmp_path)) as gallery:

        def guard(pending: Pending) -> None:
            time.sleep(0.02)  # until the others wait
            gallery.items()

        gallery.guard = guard
        with ThreadPoolExecutor(30) as pool:
            list(pool.map(lambda number: add(gallery, f"tea {number}", number), range(30)))
        assert len(gallery.items()) == 30


def test_a_thread_does_not_wait_for_another_without_end(url: str, tmp_path: Path, add: Add) -> None:
    with closing(Gallery.open(url, tmp_path, timeout=0.2)) as gallery:
        with gallery.write("slow"), ThreadPoolExecutor(1) as pool:
            other = pool.submit(add, gallery, "tea", 1)
            with pytest.raises(GalleryLocked, match="another thread has been changing"):
                other.result()
        assert add(gallery, "tea", 1)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_text_is_kept_whatever_a_client_would_take(
    url: str, tmp_path: Path, add: Add, encoding: str
) -> None:
    """As where the database has none itself, or the environment names an old one."""
    told = f"{url}{quote(f' -cclient_encoding={encoding}')}"
    with closing(Gallery.open(told, tmp_path)) as gallery:
        add(gallery, "麦茶", 1)
    with closing(Gallery.open(url, tmp_path)) as gallery:
        assert [item.label for item in gallery.items()] == ["麦茶"]


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("default_transaction_read_only=on", "ask for the right to read and write"),
        ("search_path=nowhere", "make the schema, or name another"),
    ],
)
def test_what_a_server_refuses_is_told_with_the_next_step(
    url: str, tmp_path: Path, add: Add, option: str, sentence: str
) -> None:
    with (
        pytest.raises(GalleryError, match=sentence),
        closing(Gallery.open(f"{url}{quote(f' -c{option}')}", tmp_path)) as gallery,
    ):
        add(gallery, "tea", 1)


@pytest.mark.parametrize("read_only", [False, True])
def test_only_what_makes_a_gallery_makes_tables(
    url: str, tmp_path: Path, add: Add, read_only: bool
) -> None:
    """Another database, named by mistake, is no empty gallery, and nothing is put into it."""
    with pytest.raises(IndexNotFound, match="there is no gallery in the database"):
        Gallery.open(url, tmp_path, create=False, read_only=read_only)
    engine = open_url(url, timeout=1)
    assert not inspect(engine).has_table("meta")
    engine.dispose()
    with closing(Gallery.open(url, tmp_path)) as gallery:
        add(gallery, "tea", 1)
    with closing(Gallery.open(url, tmp_path, create=False, read_only=read_only)) as gallery:
        assert [item.label for item in gallery.items()] == ["tea"]


def test_tables_are_made_by_the_first_change(url: str, tmp_path: Path, add: Add) -> None:
    """Until then the gallery is empty, as one in a file that does not exist."""
    engine = open_url(url, timeout=1)
    with (
        closing(Gallery.open(url, tmp_path)) as gallery,
        closing(Gallery.open(url, tmp_path)) as other,
    ):
        assert gallery.items() == other.items() == []
        assert not inspect(engine).has_table("meta")
        add(gallery, "tea", 1)
        assert inspect(engine).has_table("meta")
        assert [item.label for item in other.items()] == ["tea"]
        add(other, "coffee", 2)
        assert gallery.head().generation == 2
    engine.dispose()
