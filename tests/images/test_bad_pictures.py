"""Files that are no picture, are damaged or are enormous: one sentence, whatever is in them."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from picture_files import encode, grey_tiff, halves, png, short, tiff
from PIL import Image

from shitu.errors import ConfigError, ImageError
from shitu.images import load_image, read_bytes

NOISE = np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
KINDS = ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF"]


def sentence(source: bytes | Path, **options: bool) -> str:
    """What is said; it is one sentence on one line."""
    with pytest.raises(ImageError) as caught:
        load_image(source, **options)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert text.endswith(".")
    return text


@pytest.mark.parametrize(
    ("data", "said", "why"),
    [
        (b"", "is empty", "0 bytes"),
        (b"This is a text.\n" * 9, "use JPEG, PNG, WebP, BMP, GIF or TIFF", "a text"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "use JPEG", "EPS, which would start Ghostscript"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "use JPEG", "SVG"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 40, "HEIC", "a photo of a phone"),
        (b"\0\0\0\x18ftyphevx" + b"\0" * 40, "HEIC", "a photo of a camera, in 10 bits"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0avif" + b"\0" * 40, "use JPEG", "damaged, but no HEIC"),
        (tiff((2, 1), bytes(16), short(258, 64)), "kind is not supported", "a TIFF of 64 bits"),
        (b"\0\0\0\x18ftypisom" + b"\0" * 40, "use JPEG", "a video"),
        (b"PK\3\4" + b"\0" * 40, "use JPEG", "a ZIP"),
        (b"\xff\xd8\xff", "header is damaged or cut off", "the start of a JPEG"),
        (b"\x89PNG\r\n\x1a\n", "header is damaged or cut off", "the start of a PNG"),
        (b"\0", "use JPEG", "one byte"),
        (png((0, 0), 8, 2, b""), "damaged", "a picture of 0 x 0"),
        (png((0, 3), 8, 2, b"\0\0\0"), "damaged", "a picture without columns"),
    ],
)
def test_no_picture(data: bytes, said: str, why: str) -> None:
    assert said in sentence(data), why


def test_of_a_raw_photo_the_small_preview_is_not_taken(tmp_path: Path) -> None:
    data = tiff((2, 1), bytes(2))
    assert load_image(data).shape == (1, 2, 3)
    (tmp_path / "a.NEF").write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.NEF is a raw photo: convert it to JPEG or PNG\.$"):
        load_image(tmp_path / "a.NEF")


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_cut_off(kind: str, share: float, capfd: pytest.CaptureFixture[str]) -> None:
    data = encode(NOISE, kind)
    assert "damaged or cut off" in sentence(data[: int(share * len(data))])
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ((322, 2, 4, b"abc\0"), "a tile width that is text"),
        ((322, 3, 2, b"\2\0\2\0"), "two tile widths"),
        ((322, 5, 1, b"\x08\0\0\0"), "a tile width that is a fraction"),
    ],
)
def test_a_strange_tile_in_a_tiff_without_tiles_plays_no_part(
    tag: tuple[int, int, int, bytes], why: str
) -> None:
    assert load_image(grey_tiff(tag))[:, :, 0].tolist() == [[1, 2], [3, 4]], why


@pytest.mark.parametrize("kind", [*KINDS, "PPM", "TGA", "JPEG2000", "ICO"])
def test_random_damage_gives_a_picture_or_a_sentence(kind: str) -> None:
    rng = np.random.default_rng(sum(kind.encode()))
    whole = np.frombuffer(encode(NOISE, kind), np.uint8)
    outcomes = set()
    for _ in range(60):
        damaged = whole.copy()
        # Half of it near the ends, where headers and directories are.
        places = rng.integers(0, len(whole), 4)
        places[:2] = rng.integers(-60, 60, 2)
        damaged[places] = rng.choice([0, 1, 127, 128, 255], 4)
        try:
            image = load_image(damaged.tobytes())
        except ImageError:
            outcomes.add("refused")
        else:
            assert image.ndim == 3
            assert image.size
            outcomes.add("read")
    assert outcomes


def test_colours_of_16_bits_in_planes_are_refused() -> None:
    # Pillow makes a picture of them that nobody took.
    tags = [short(258, 16), short(262, 2), short(277, 3), short(284, 2)]
    assert "separate planes" in sentence(tiff((2, 1), bytes(12), *tags))


def test_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "list.jpg"
    path.write_text("milk, bread")
    assert sentence(path).startswith(f"{path} cannot be read as a picture")


def test_bytes_can_be_given_a_name() -> None:
    with pytest.raises(ImageError, match="the upload is empty"):
        load_image(b"", name="the upload")


# Files that cannot be read


def test_a_missing_file(tmp_path: Path) -> None:
    assert "does not exist" in sentence(tmp_path / "none.jpg")


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in sentence(tmp_path)


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe.jpg"
    os.mkfifo(path)
    assert "not a regular file" in sentence(path)


def test_a_device_is_refused() -> None:
    assert "not a regular file" in sentence(Path("/dev/zero"))


def test_a_link_to_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "link.jpg"
    path.symlink_to(tmp_path / "gone.jpg")
    assert "does not exist" in sentence(path)


def test_a_link_in_a_circle(tmp_path: Path) -> None:
    path = tmp_path / "link.jpg"
    path.symlink_to(path)
    assert "links lead in a circle" in sentence(path)


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    assert "name is too long" in sentence(tmp_path / ("a" * 300))


def test_a_name_with_a_zero_byte(tmp_path: Path) -> None:
    assert "a\\x00.jpg cannot be read" in sentence(tmp_path / "a\0.jpg")


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(encode(halves(), "JPEG"))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("whoever runs the tests (root) may read every file")
    assert "permission denied" in sentence(path)


def test_a_file_far_larger_than_a_picture_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "film.jpg"
    with path.open("wb") as file:
        file.truncate(300 * 10**9)  # sparse: it takes no room
    if not path.stat().st_mode & stat.S_IFREG or path.stat().st_blocks > 1000:
        pytest.skip("this file system has no sparse files")
    assert "has 300.0 GB" in sentence(path)


def test_read_bytes_gives_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 999)
    assert read_bytes(path) == bytes(range(256)) * 999


# Enormous pictures

_WHITE = b"\0" + b"\xff" * 2500
HUGE = png((20_000, 20_000), 1, 0, _WHITE * 20_000)


def huge_jpeg(width: int, height: int, *, progressive: bool = False) -> bytes:
    """A small JPEG whose header says another size."""
    data = encode(halves(), "JPEG", progressive=progressive)
    frame = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    return data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]


def test_a_valid_picture_of_20000_x_20000_is_refused() -> None:
    assert len(HUGE) < 300_000
    said = sentence(HUGE)
    assert "20000 x 20000 pixels" in said
    assert "100,000,000" in said
    assert "make it smaller" in said


def test_refusing_it_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(HUGE)
    program = (
        "import resource, sys\n"
        "from shitu.images import load_image\n"
        "from shitu.errors import ImageError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    load_image(sys.argv[1])\n"
        "except ImageError:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    kilobytes = int(done.stdout) if sys.platform != "darwin" else int(done.stdout) // 1024
    assert kilobytes < 30_000  # decoded it would be 1,200,000


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (png((2**31 - 1, 2**31 - 1), 8, 2, b"\0"), "the largest PNG"),
        (png((2**31 - 1, 1), 8, 2, b"\0"), "one line of it"),
        (huge_jpeg(65_500, 65_500), "the largest JPEG"),
        (b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\0" * 40, "a GIF with nothing in it"),
        (b"P6\n1000000 1000000\n255\n", "a PPM"),
        (
            grey_tiff((322, 3, 1, b"\xff\xff\0\0"), (323, 3, 1, b"\xff\xff\0\0")),
            "4 pixels cut from an enormous tile",
        ),
    ],
)
def test_sizes_are_checked_before_pixels(data: bytes, why: str) -> None:
    said = sentence(data)
    assert "more than the 100,000,000 pixels allowed" in said or "damaged" in said, why


def test_the_limit_itself_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHITU_MAX_PIXELS", "1536")
    assert load_image(encode(halves(32, 48), "PNG")).shape == (32, 48, 3)


def test_one_pixel_more_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHITU_MAX_PIXELS", "1535")
    assert "48 x 32 pixels, more than the 1,535" in sentence(encode(halves(32, 48), "PNG"))


def test_the_limit_of_pillow_plays_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    # It refuses twice as many, which is fewer than are allowed here.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)
    assert load_image(encode(halves(32, 48), "PNG")).shape == (32, 48, 3)


@pytest.mark.parametrize("value", ["0", "-5", "ten", "1e9", "5.0"])
def test_a_limit_that_makes_no_sense(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SHITU_MAX_PIXELS", value)
    with pytest.raises(ConfigError, match=r"SHITU_MAX_PIXELS is '.*': set it to a number"):
        load_image(encode(halves(), "PNG"))


@pytest.mark.parametrize(
    ("limit", "wanted", "why"),
    [
        (64 * 96, (64, 96), "it fits as it is"),
        (64 * 96 - 1, (32, 48), "half"),
        (32 * 48 - 1, (16, 24), "a quarter"),
        (16 * 24 - 1, (8, 12), "an eighth"),
    ],
)
def test_a_large_jpeg_can_be_decoded_smaller(
    monkeypatch: pytest.MonkeyPatch, limit: int, wanted: tuple[int, int], why: str
) -> None:
    data = encode(halves(64, 96), "JPEG")
    monkeypatch.setenv("SHITU_MAX_PIXELS", str(limit))
    assert load_image(data, reduce=True).shape[:2] == wanted, why


def test_a_jpeg_too_large_at_an_eighth_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Less than 64 times as many pixels; but sides are rounded up.
    monkeypatch.setenv("SHITU_MAX_PIXELS", "100")
    assert "13 x 9 pixels" in sentence(encode(halves(65, 97), "JPEG"), reduce=True)


def test_a_large_jpeg_keeps_its_size_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHITU_MAX_PIXELS", "6143")
    assert "96 x 64 pixels" in sentence(encode(halves(64, 96), "JPEG"))


def test_only_jpeg_can_be_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHITU_MAX_PIXELS", "6143")
    assert "96 x 64 pixels" in sentence(encode(halves(64, 96), "PNG"), reduce=True)
