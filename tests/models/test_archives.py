"""Archives: the good ones are unpacked, the others leave nothing outside their folder."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from shitu.errors import WeightsCorrupt
from shitu.models.archives import unpack

Entry = tuple[str, bytes]
FILES = [("net_infer/inference.yml", b"yml"), ("net_infer/inference.pdiparams", b"weights")]


def tar(path: Path, *entries: Entry | tarfile.TarInfo, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as opened:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                opened.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            opened.addfile(info, io.BytesIO(entry[1]))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def gz(path: Path, *entries: Entry) -> Path:
    return tar(path, *entries, mode="w:gz")


def zip_(path: Path, *entries: Entry) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in entries:
            opened.writestr(name, content)
    return path


@pytest.mark.parametrize("pack", [tar, gz, zip_])
def test_the_folder_around_all_files_is_dropped(tmp_path: Path, pack: Callable[..., Path]) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    names = unpack(pack(tmp_path / "a", *FILES), folder)
    assert names == [Path("inference.yml"), Path("inference.pdiparams")]
    assert (folder / "inference.pdiparams").read_bytes() == b"weights"
    assert sorted(path.name for path in folder.iterdir()) == [
        "inference.pdiparams",
        "inference.yml",
    ]


def test_files_without_a_folder_stay_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    packed = tar(tmp_path / "a", ("./x.yml", b"1"), ("more/y", b"2"))
    assert unpack(packed, tmp_path / "out") == [Path("x.yml"), Path("more/y")]
    assert (tmp_path / "out/more/y").read_bytes() == b"2"


def test_a_folder_that_holds_one_of_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert unpack(tar(tmp_path / "a", ("n/n/x", b"1")), tmp_path / "out") == [Path("n/x")]
    assert (tmp_path / "out/n/x").read_bytes() == b"1"


@pytest.mark.parametrize(
    "entry",
    [
        ("../outside", b"x"),
        ("net/../../outside", b"x"),
        ("/tmp/outside", b"x"),  # noqa: S108
        ("C:\\outside", b"x"),
        ("..\\outside", b"x"),
        special("net/link", tarfile.SYMTYPE, "/etc/passwd"),
        special("net/hard", tarfile.LNKTYPE, "net_infer/inference.yml"),
        special("net/device", tarfile.CHRTYPE),
        special("net/pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda entry: entry[0] if isinstance(entry, tuple) else entry.name,
)
def test_what_leads_out_of_the_folder_is_refused(
    tmp_path: Path, entry: Entry | tarfile.TarInfo
) -> None:
    folder = tmp_path / "some" / "out"
    folder.mkdir(parents=True)
    with pytest.raises(WeightsCorrupt, match=r"is refused: .*(leads out|no plain file)"):
        unpack(tar(tmp_path / "a", *FILES, entry), folder)
    left = [path for path in tmp_path.rglob("*") if folder not in path.parents]
    assert set(left) == {folder, folder.parent, tmp_path / "a"}


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    info = zipfile.ZipInfo("net/link")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a", "w") as opened:
        opened.writestr(info, "/etc/passwd")
    with pytest.raises(WeightsCorrupt, match="is a link"):
        unpack(tmp_path / "a", tmp_path / "out")


@pytest.mark.parametrize("pack", [gz, zip_])
def test_more_bytes_than_allowed_are_refused(tmp_path: Path, pack: Callable[..., Path]) -> None:
    (tmp_path / "out").mkdir()
    packed = pack(tmp_path / "a", ("n/a", bytes(700)), ("n/b", bytes(400)))
    with pytest.raises(WeightsCorrupt, match="more than 1,000 bytes"):
        unpack(packed, tmp_path / "out", most_bytes=1000)


def test_more_files_than_a_model_has_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    packed = tar(tmp_path / "a", *((f"n/{number}", b"") for number in range(1001)))
    with pytest.raises(WeightsCorrupt, match="more than 1000 files"):
        unpack(packed, tmp_path / "out")


@pytest.mark.parametrize("pack", [tar, gz, zip_])
@pytest.mark.parametrize("kept", [0, 60, 0.5])
def test_a_truncated_archive_is_refused(
    tmp_path: Path, pack: Callable[..., Path], kept: float
) -> None:
    (tmp_path / "out").mkdir()
    noise = bytes(hash((7, number)) & 255 for number in range(40_000))
    packed = pack(tmp_path / "a", ("n/a", noise), ("n/b", noise))
    data = packed.read_bytes()
    packed.write_bytes(data[: int(kept * len(data)) if 0 < kept < 1 else int(kept)])
    with pytest.raises(WeightsCorrupt, match=r"damaged or no archive|empty") as caught:
        unpack(packed, tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_the_same_file_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(WeightsCorrupt, match="twice"):
        unpack(tar(tmp_path / "a", ("n/a", b"1"), ("n/a", b"2")), tmp_path / "out")
