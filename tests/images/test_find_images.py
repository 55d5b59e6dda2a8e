"""The walk through a folder, and file names in any script."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from picture_files import encode, halves

from shitu.errors import ImageError
from shitu.images import EXTENSIONS, display_path, find_images, load_image, natural_key

NAMES = [
    "two words.png",
    "comma, quote ' and \".png",
    "可乐 罐.png",
    "🥫👩‍🌾.png",
    "عصير برتقال.png",
    "line\nbreak.png",
    "tab\tand\rreturn.png",
    os.fsdecode(b"not utf-8 \xff\xfe.png"),
    "-dash.png",
    "%s {0} $HOME.png",
]


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def listed(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in find_images(folder)]


def test_order_is_natural(tmp_path: Path) -> None:
    make(tmp_path, "10.jpg", "2.jpg", "b/1.jpg", "B2.jpg", "a.jpg", "b10.jpg", "c/x.jpg")
    assert listed(tmp_path) == [
        "2.jpg",
        "10.jpg",
        "a.jpg",
        "b/1.jpg",
        "B2.jpg",
        "b10.jpg",
        "c/x.jpg",
    ]


def test_order_does_not_depend_on_the_order_of_creation(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(30)] + ["A.png", "a1.png", "a01.png", "á.png"]
    make(tmp_path / "one", *names)
    make(tmp_path / "two", *reversed(names))
    assert listed(tmp_path / "one") == listed(tmp_path / "two")


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["2", "10"], "numbers count"),
        (["a", "B", "c"], "case does not"),
        (["A1", "a1"], "but never are two names equal"),
        (["01", "1"], "nor two ways to write a number"),
        (["1a", "a1"], "numbers first"),
        (["a/2", "a/10"], "in every part"),
        (["٣", "٤"], "digits of other scripts are letters"),
    ],
)
def test_natural_key(names: list[str], why: str) -> None:
    backwards = names[::-1]
    assert sorted(backwards, key=natural_key) == names, why


@pytest.mark.parametrize("extension", sorted(EXTENSIONS))
def test_extensions_in_any_case(tmp_path: Path, extension: str) -> None:
    make(tmp_path, "a" + extension, "b" + extension.upper())
    assert listed(tmp_path) == ["a" + extension, "b" + extension.upper()]


def test_other_files_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "jpg", "b.jpg.part", "c.json", "Thumbs.db")
    assert listed(tmp_path) == []


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, ".a.jpg", "._b.jpg", ".cache/c.jpg", "d/.e/f.jpg", "g.jpg")
    assert listed(tmp_path) == ["g.jpg"]


def test_a_hidden_folder_that_is_named_is_listed(tmp_path: Path) -> None:
    make(tmp_path, ".mine/a.jpg")
    assert listed(tmp_path / ".mine") == ["a.jpg"]


def test_an_empty_folder(tmp_path: Path) -> None:
    assert listed(tmp_path) == []


def test_a_folder_named_like_a_picture_is_a_folder(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg/b.jpg")
    assert listed(tmp_path) == ["a.jpg/b.jpg"]


def test_a_pipe_and_a_socket_are_listed_with_the_rest(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "d")
    os.mkfifo(tmp_path / "b.jpg")
    os.mknod(tmp_path / "c.jpg", stat.S_IFSOCK | 0o600)
    os.mkfifo(tmp_path / "e")
    assert listed(tmp_path) == ["a.jpg", "b.jpg", "c.jpg"]
    for name in ("b.jpg", "c.jpg"):
        with pytest.raises(ImageError, match="is not a regular file"):
            load_image(tmp_path / name)


def test_a_linked_folder_is_followed(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/a.jpg")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/link").symlink_to(tmp_path / "elsewhere")
    assert listed(tmp_path / "here") == ["link/a.jpg"]


def test_a_folder_and_a_link_to_it_are_listed_once_by_its_own_name(tmp_path: Path) -> None:
    make(tmp_path, "z/a.jpg")
    (tmp_path / "link").symlink_to("z")
    assert listed(tmp_path) == ["z/a.jpg"]


def test_of_many_links_each_is_sorted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    for number in range(100):
        make(tmp_path, f"shelf/{number}/a.jpg")
        (tmp_path / f"here/{number}").symlink_to(f"../shelf/{number}")
    asked = []

    def counted(path: Path | str) -> tuple[object, ...]:
        asked.append(path)
        return natural_key(path)

    monkeypatch.setattr("shitu.images.files.natural_key", counted)
    assert listed(tmp_path / "here") == [f"{number}/a.jpg" for number in range(100)]
    assert len(asked) == 200  # the links, and the pictures


def test_a_link_to_a_folder_above_ends(tmp_path: Path) -> None:
    make(tmp_path, "a/b.jpg")
    (tmp_path / "a/up").symlink_to("..")
    assert listed(tmp_path) == ["a/b.jpg"]


@pytest.mark.parametrize("target", ["nowhere.jpg", "link.jpg"], ids=["nowhere", "circle"])
def test_a_dead_link_is_listed_with_the_rest(tmp_path: Path, target: str) -> None:
    make(tmp_path, "a.jpg")
    (tmp_path / "link.jpg").symlink_to(target)
    assert listed(tmp_path) == ["a.jpg", "link.jpg"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_kind_are_found_and_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(encode(halves(), "PNG"))
    (found,) = find_images(tmp_path)
    assert found == tmp_path / name
    assert (load_image(found) == halves()).all()


@pytest.mark.parametrize("name", NAMES)
def test_messages_about_any_name_fit_on_a_line_and_print(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(ImageError) as caught:
        load_image(tmp_path / name)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).encode("utf-8")


@pytest.mark.parametrize(
    ("name", "shown", "why"),
    [
        ("可乐 罐.png", "可乐 罐.png", "letters of any script stay"),
        ("a\u00a0b\u3000c", "a\u00a0b\u3000c", "blanks of any width stay"),
        ("👩\u200d🌾", "👩\u200d🌾", "joiners hold an emoji together"),
        ("a\nb", "a\\nb", "a line break"),
        ("a\u2028b", "a\\u2028b", "a line break of Unicode's own"),
        ("a\x1b[31mb", "a\\x1b[31mb", "no colours, no moves of the cursor"),
        ("a\u202egpj.exe", "a\\u202egpj.exe", "nothing that turns the rest around"),
        (os.fsdecode(b"\xff.png"), "\\xff.png", "a byte that is no text"),
        (b"\xff.png", "\\xff.png", "bytes"),
        ("\ud800", "\\ud800", "half a character"),
    ],
)
def test_display_path(name: str | bytes, shown: str, why: str) -> None:
    assert display_path(name) == shown, why


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="none cannot be listed: it does not exist"):
        find_images(tmp_path / "none")


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    with pytest.raises(ImageError, match="is a file, not a folder"):
        find_images(tmp_path / "a.jpg")


def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    make(tmp_path, "closed/a.jpg")
    closed = tmp_path / "closed"
    closed.chmod(0)
    try:
        if os.access(closed, os.R_OK):
            pytest.skip("whoever runs the tests (root) may read every folder")
        with pytest.raises(ImageError, match="closed cannot be listed: permission denied"):
            find_images(tmp_path)
    finally:
        closed.chmod(0o700)
