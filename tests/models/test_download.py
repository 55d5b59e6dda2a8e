"""Downloads from a server that breaks off, lies and forgets."""

from __future__ import annotations

import hashlib
import resource
from pathlib import Path

import pytest
from serving import Site

from shitu.errors import ModelError, WeightsCorrupt
from shitu.models.download import download

CONTENT = bytes(range(256)) * 4000


def fetch(site: Site, folder: Path, sha256: str | None = None) -> bytes:
    return download([f"{site.url}/a.tar"], folder, sha256)[0].read_bytes()


@pytest.fixture(autouse=True)
def _content(site: Site) -> None:
    site.files["a.tar"] = CONTENT


def test_a_file_comes_whole_with_progress(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path, url = download(
        [f"{site.url}/a.tar"], tmp_path, None, lambda done, total: seen.append((done, total))
    )
    assert path.read_bytes() == CONTENT
    assert url == f"{site.url}/a.tar"
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert {total for _, total in seen} == {len(CONTENT)}
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_a_server_that_dies_midway_is_asked_for_the_rest(site: Site, tmp_path: Path) -> None:
    site.breaks = (4 << 16, 3)
    assert fetch(site, tmp_path) == CONTENT
    ranges = [asked for _, asked in site.asked]
    assert ranges[0] == ""
    assert len(ranges) == 4
    assert ranges[3] == f"bytes={12 << 16}-"


def test_a_server_without_ranges_is_asked_anew(site: Site, tmp_path: Path) -> None:
    site.ranges, site.breaks = False, (300_000, 2)
    assert fetch(site, tmp_path) == CONTENT
    assert [asked for _, asked in site.asked] == ["", "", ""]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_gives_no_more_is_given_up_but_not_forgotten(
    site: Site, tmp_path: Path, ranges: bool
) -> None:
    site.ranges, site.breaks = ranges, (0, 99)
    with pytest.raises(ModelError, match=r"Cannot fetch http.*a\.tar: "):
        fetch(site, tmp_path)
    site.breaks = (500_000, 1)
    assert fetch(site, tmp_path) == CONTENT


def test_the_next_try_goes_on_where_the_last_one_stopped(site: Site, tmp_path: Path) -> None:
    site.breaks = (6 << 16, 1)
    site.statuses = [0, 500]  # and then the server is ill
    with pytest.raises(ModelError, match="the server says 500"):
        fetch(site, tmp_path)
    site.asked.clear()
    assert fetch(site, tmp_path) == CONTENT
    assert site.asked == [("a.tar", f"bytes={6 << 16}-")]


def test_a_file_that_changed_meanwhile_is_begun_anew(site: Site, tmp_path: Path) -> None:
    site.breaks, site.statuses = (400_000, 1), [0, 500]
    with pytest.raises(ModelError):
        fetch(site, tmp_path)
    site.files["a.tar"] = CONTENT[::-1]
    assert fetch(site, tmp_path) == CONTENT[::-1]


def test_a_wrong_checksum_is_refused_and_nothing_stays(site: Site, tmp_path: Path) -> None:
    right = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(WeightsCorrupt, match="is not what was expected"):
        fetch(site, tmp_path, right[::-1])
    assert not list(tmp_path.iterdir())
    assert fetch(site, tmp_path, right) == CONTENT


def test_other_addresses_are_asked_in_turn(site: Site, tmp_path: Path) -> None:
    urls = [f"{site.url}/gone.tar", "http://127.0.0.1:9/a.tar", f"{site.url}/a.tar"]
    path, url = download(urls, tmp_path, None)
    assert (path.read_bytes(), url) == (CONTENT, urls[2])


def test_what_each_address_said_is_told(tmp_path: Path, site: Site) -> None:
    with pytest.raises(ModelError) as caught:
        download([f"{site.url}/gone.tar", "http://127.0.0.1:9/a.tar", "nonsense"], tmp_path, None)
    assert "gone.tar: the server says 404" in str(caught.value)
    assert "127.0.0.1:9/a.tar: the server cannot be reached" in str(caught.value)
    assert "nonsense: Invalid URL" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_unknown_length(site: Site, tmp_path: Path) -> None:
    site.lengths = False
    assert fetch(site, tmp_path) == CONTENT


def test_a_full_disk_is_told(site: Site, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(ModelError, match=r"Cannot store the download in .*: File too large"):
            fetch(site, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert fetch(site, tmp_path) == CONTENT
