"""Label files in four forms and folders: what they list, and what is said about bad ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import paint_file

from shitu.catalog import entries_from_file, entries_from_folder
from shitu.catalog.files import folder_name
from shitu.catalog.labels import clean_label
from shitu.errors import DatasetError, GalleryError, ImageError

Pairs = list[tuple[str, str]]


def listed(folder: Path, text: str | bytes) -> Pairs:
    """Paths as seen from the folder of the file, and labels."""
    file = folder / "labels"
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    entries = entries_from_file(file)
    assert all(entry.explicit and not entry.problem for entry in entries)
    return [(os.path.relpath(entry.path, folder), entry.label) for entry in entries]


@pytest.mark.parametrize("folder", ["/", "/proc/self/root", "home/..", "home", "link"])
def test_a_whole_disk_or_home_folder_is_refused_unlooked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    paint_file(tmp_path / "home" / "tea" / "1.png", 1)
    (tmp_path / "link").symlink_to("home", target_is_directory=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    with pytest.raises(GalleryError, match=r"is no gallery, but (a whole disk|your home folder)"):
        entries_from_folder(tmp_path / folder)


@pytest.mark.parametrize("home", [None, "", "/", "/nowhere"])
def test_folders_elsewhere_are_galleries_whatever_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    paint_file(tmp_path / "tea" / "1.png", 1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}["nobody"])
    if home is None:
        monkeypatch.delenv("HOME", raising=False)
    else:
        monkeypatch.setenv("HOME", home)

    assert [entry.label for entry in entries_from_folder(Path())] == ["tea"]


@pytest.mark.parametrize(
    ("text", "wanted", "why"),
    [
        ("a.jpg\tred tea\n", [("a.jpg", "red tea")], "a label with a blank"),
        ("a.jpg\ttea", [("a.jpg", "tea")], "no line end at the end"),
        ("a.jpg\ttea\r\nb.jpg\ttea\r\n", [("a.jpg", "tea"), ("b.jpg", "tea")], "from Windows"),
        ("\ufeffa.jpg\ttea\n", [("a.jpg", "tea")], "with a byte order mark"),
        ("\n\n  \na.jpg\ttea\n\n", [("a.jpg", "tea")], "blank lines do not count"),
        ("path\tlabel\na.jpg\ttea\n", [("a.jpg", "tea")], "nor does a headline"),
        ("label\tpath\ntea\ta.jpg\n", [("a.jpg", "tea")], "which may have the label first"),
        ("a, b.jpg\ttea, green\n", [("a, b.jpg", "tea, green")], "commas mean nothing"),
        ('a".jpg\t5" "pipe"\n', [('a".jpg', '5" "pipe"')], "quotes mean nothing"),
        ("a\u2028b.jpg\ttea\x85x\n", [("a\u2028b.jpg", "tea\x85x")], "no ends of lines"),
        ("{a}.jpg\ttea\n", [("{a}.jpg", "tea")], "a brace is not always JSON"),
        ("x/../a.jpg\ttea\n", [("a.jpg", "tea")], "a path is made plain"),
        ("a.jpg\t 茶 🍵 \n", [("a.jpg", "茶 🍵")], "blanks around a label go"),
    ],
)
def test_tab_separated(tmp_path: Path, text: str, wanted: Pairs, why: str) -> None:
    assert listed(tmp_path, text) == wanted, why


@pytest.mark.parametrize(
    ("text", "wanted", "why"),
    [
        ("a.jpg,tea\n", [("a.jpg", "tea")], "the plain case"),
        ("path,label\na.jpg,tea\n", [("a.jpg", "tea")], "with a headline"),
        ("label,path\ntea,a.jpg\n", [("a.jpg", "tea")], "which may have the label first"),
        ("Image,Label\na.jpg,tea\n", [("a.jpg", "tea")], "which may have other words"),
        (
            "label,path\ntea,a.jpg\npath,label\nb.jpg,tea\n",
            [("a.jpg", "tea"), ("b.jpg", "tea")],
            "two files put together",
        ),
        ("a.jpg, tea\n", [("a.jpg", "tea")], "a blank after the comma"),
        ('"a, b.jpg","tea, ""green"""\n', [("a, b.jpg", 'tea, "green"')], "commas and quotes"),
        ('"a\nb.jpg","tea"\nc.jpg,x\n', [("a\nb.jpg", "tea"), ("c.jpg", "x")], "a line break"),
        ('a.jpg,"green\ttea"\n', [("a.jpg", "green\ttea")], "a tab in quotes"),
        ('"green\ttea.jpg",tea\n', [("green\ttea.jpg", "tea")], "a tab in quotes, first field"),
        ("a.jpg,茶\r\n", [("a.jpg", "茶")], "from Windows"),
        (",\na.jpg,tea\n", [("a.jpg", "tea")], "an empty row of a spreadsheet"),
    ],
)
def test_comma_separated(tmp_path: Path, text: str, wanted: Pairs, why: str) -> None:
    assert listed(tmp_path, text) == wanted, why


@pytest.mark.parametrize(
    ("text", "wanted", "why"),
    [
        ("0/a.jpg tea\nb.png  tea\n", [("0/a.jpg", "tea"), ("b.png", "tea")], "as PaddleX has it"),
        ("a.jpg red bull can\n", [("a.jpg", "red bull can")], "a label with blanks"),
        ("a.jpg tea, green\nb.JPG\ttea\n", [("a.jpg", "tea, green"), ("b.JPG", "tea")], "a comma"),
        ("red tea/a 1.jpeg tea\n", [("red tea/a 1.jpeg", "tea")], "a path with blanks"),
        ("\ufeffa.jpg tea\r\n\r\n", [("a.jpg", "tea")], "a mark, lines of Windows"),
        ("a.jpg copy.jpg,tea\n", [("a.jpg copy.jpg", "tea")], "but this is CSV"),
        ("a.jpg ,tea\n", [("a.jpg", "tea")], "and this"),
        ('"a.jpg x",tea\n', [("a.jpg x", "tea")], "and this"),
    ],
)
def test_separated_by_a_blank(tmp_path: Path, text: str, wanted: Pairs, why: str) -> None:
    assert listed(tmp_path, text) == wanted, why


@pytest.mark.parametrize(
    ("text", "wanted", "why"),
    [
        ('{"path": "a.jpg", "label": "tea"}\n', [("a.jpg", "tea")], "the plain case"),
        (
            '{"label": "tea", "path": "a.jpg", "price": 3}\n\n',
            [("a.jpg", "tea")],
            "in any order, and more of it",
        ),
        (
            '{"path": "a\\n\\t\\"b.jpg", "label": "green\\ttea"}',
            [('a\n\t"b.jpg', "green\ttea")],
            "line breaks, tabs and quotes",
        ),
        ('{"path": " a.jpg\\n", "label": "x"}', [(" a.jpg\n", "x")], "the very name of the file"),
        ('{"path": "a\\udcff.jpg", "label": "x"}', [("a\udcff.jpg", "x")], "an undecodable name"),
        ('{"path": "a.jpg", "label": "\\ud83c\\udf75"}', [("a.jpg", "🍵")], "an escaped emoji"),
        ('  {\t"path": "a.jpg",\t"label": "x"}', [("a.jpg", "x")], "blanks and tabs around"),
    ],
)
def test_json_lines(tmp_path: Path, text: str, wanted: Pairs, why: str) -> None:
    assert listed(tmp_path, text) == wanted, why


@pytest.mark.parametrize(
    ("text", "sentence", "why"),
    [
        ("a.jpg\ttea\nb.jpg\n", r"line 2: 1 field\(s\)", "no label"),
        ("a.jpg\ttea\nb.jpg\ttea\tx\n", r"line 2: 3 field\(s\)", "a tab too many"),
        ("a.jpg\ttea\n\nb.jpg\t \n", "line 3: the label is empty", "a blank label"),
        ("a.jpg\ttea\n\ttea\n", "line 2: the path is empty", "a blank path"),
        ("a\0.jpg\ttea\n", "line 1: the path", "no file can be called that"),
        ("label,path\ntea,a.jpg\n,b.jpg\n", "line 3: the label is empty", "the label first"),
        ("a tea\n", r"line 1: 1 field\(s\)", "no picture's name ends before the blank"),
        ("a.jpg tea\nb.jpg\n", "line 2: the label is empty", "no label behind the blank"),
        ('a.jpg,"tea\nb.jpg,x\n', "line 1: .*check the quotes", "a quote left open"),
        ('a.jpg,x\n"a"b,x\n', "line 2: .*check the quotes", "text after a quote"),
        ('{"path": "a.jpg"}', "line 1: not an object with path and label", "no label"),
        ('{"path": "a.jpg", "label": "x"}\n[1]', "line 2: not an object", "a list"),
        ('{"path": "a.jpg", "label"', "line 1: not an object", "torn"),
        ('{"path": "a.jpg", "label": 5}', "line 1: .*text", "a number as a label"),
        (b"a.jpg\ttea\nb.jpg\tth\xe9\n", "line 2: this is not UTF-8", "Latin-1"),
        ("a.jpg\ttea\n".encode("utf-16"), "line 1: this is not UTF-8", "UTF-16"),
    ],
)
def test_bad_files_are_told_with_their_line(
    tmp_path: Path, text: str | bytes, sentence: str, why: str
) -> None:
    with pytest.raises(DatasetError, match=sentence) as caught:
        pytest.fail(f"{why}, and {listed(tmp_path, text)} was listed")
    assert str(tmp_path / "labels") in str(caught.value)


@pytest.mark.parametrize("start", [b"\xff\xd8\xff\xe0\0\x10JFIF", b"PK\3\4\x14\0\6\0\x08\0\xe9"])
def test_a_picture_or_a_spreadsheet_is_called_no_text(tmp_path: Path, start: bytes) -> None:
    with pytest.raises(DatasetError, match="labels is no text"):
        listed(tmp_path, start)


def test_a_json_list_is_called_one(tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    for text in ('[{"path": "a.jpg", "label": "x"}]', '[\n  {"path": "a.jpg", "label": "x"}\n]'):
        file.write_text(text)
        with pytest.raises(DatasetError, match=r"labels\.json holds a JSON list"):
            entries_from_file(file)
    (tmp_path / "labels.txt").write_text("[1].jpg,x\n")
    assert [entry.label for entry in entries_from_file(tmp_path / "labels.txt")] == ["x"]


@pytest.mark.parametrize("text", ["", "\n \n", "path\tlabel\n", "path,label\n", "label,path\n"])
def test_files_that_list_nothing(tmp_path: Path, text: str) -> None:
    with pytest.raises(GalleryError, match="lists no picture"):
        listed(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read: it does not exist; check the name"):
        entries_from_file(tmp_path / "none.txt")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        entries_from_folder(tmp_path / "none")


def test_folder_entries_are_in_natural_order_and_not_explicit(tmp_path: Path) -> None:
    for name in ("tea/10.png", "tea/2.png", "Coffee/1.png", "tea/.hidden.png", ".removed/x/1.png"):
        paint_file(tmp_path / name, 1)
    found = [(str(e.path.relative_to(tmp_path)), e.label) for e in entries_from_folder(tmp_path)]
    assert found == [("Coffee/1.png", "Coffee"), ("tea/2.png", "tea"), ("tea/10.png", "tea")]
    assert not any(entry.explicit for entry in entries_from_folder(tmp_path))


@pytest.mark.parametrize(
    ("text", "wanted", "why"),
    [
        (" tea ", "tea", "blanks around it go"),
        ("green  tea", "green  tea", "those inside stay"),
        ("e\u0301", "\u00e9", "letters and accents are composed"),
        ("\udcff", "\\xff", "an undecodable byte of a folder's name becomes readable"),
        ("\ud83c", "?", "half a character cannot be kept"),
        ("\0 tea", "tea", "databases take no zero byte"),
        ("\n\t ", "", "nothing is left"),
        ("שלום \u202eabc", "שלום \u202eabc", "right-to-left is text like any other"),
        ("a,b\t\"c'", "a,b\t\"c'", "nothing else means anything"),
    ],
)
def test_labels_are_kept_as_written(text: str, wanted: str, why: str) -> None:
    assert clean_label(text) == wanted, why
    assert clean_label(wanted) == wanted, "cleaning twice changes nothing"


@pytest.mark.parametrize(
    ("label", "wanted", "why"),
    [
        ("green tea", "green tea", "the plain case"),
        ("a/b\\c:d", "a_b_c_d", "a label may hold what a name may not"),
        ("..", "_", "not the folder above"),
        (".hidden", "_.hidden", "builds do not enter hidden folders"),
        ("a\nb\u202ec", "a_b_c", "no control characters"),
        ("茶" * 100, "茶" * 66, "at most 200 bytes, of whole characters"),
        ("tea...", "tea", "Windows takes no dot at the end"),
    ],
)
def test_folders_are_named_like_labels(label: str, wanted: str, why: str) -> None:
    assert folder_name(label) == wanted, why


def test_folders_are_named_in_utf_8_whatever_the_locale() -> None:
    label = "Käse 🍵" + "茶" * 100
    script = (
        "import os, sys; from shitu.catalog.files import folder_name; "
        f"sys.stdout.buffer.write(os.fsencode(folder_name({label!a})))"
    )
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=env)
    assert told.stdout.decode() == label[: 6 + 63]
