"""Files are written whole, through links, and never in the place of a device or pipe."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from shitu.images.writing import write_whole


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """A link to `real`, which holds something."""
    (tmp_path / "real").write_bytes(b"before")
    (tmp_path / "link").symlink_to("real")
    return tmp_path / "link"


def test_where_a_link_leads(link: Path) -> None:
    write_whole(link, b"after")
    assert link.is_symlink()
    assert link.with_name("real").read_bytes() == b"after"


def test_in_the_place_of_a_link(link: Path) -> None:
    write_whole(link, b"after", follow=False)
    assert not link.is_symlink()
    assert (link.read_bytes(), link.with_name("real").read_bytes()) == (b"after", b"before")


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    write_whole(tmp_path / "link", b"through it")

    assert os.read(reader, 100) == b"through it"
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_what_was_there_stays_where_it_cannot_be_written(
    link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(link, b"after")
    assert sorted(path.name for path in link.parent.iterdir()) == ["link", "real"]
    assert link.read_bytes() == b"before"
