"""Read a picture file whole, and find the pictures below a folder."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from heapq import heappop, heappush
from pathlib import Path

from shitu.errors import ImageError
from shitu.images.names import advice, cannot, display_path, natural_key

_RAW = frozenset(
    {".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".orf", ".rw2", ".raf", ".pef"}
    | {".srw", ".x3f", ".3fr", ".iiq"}
)
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".avif", ".bmp", ".dib", ".gif"}
    | {".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".j2k", ".mpo"}
    | {".heic", ".heif", ".hif"}  # of phones; not read, but never left out unsaid
    | _RAW  # nor these, of cameras
)

_MOST_BYTES = 2 * 10**9  # well above MAX_PIXELS of any format; a video by mistake has more


def read_bytes(path: Path | str) -> bytes:
    """Read a whole file.

    Raises:
        ImageError: there is none, it may not be read, is not a regular file, has over 2 GB, or is
            a raw photo by its name.
    """
    called = display_path(path)
    try:
        status = Path(path).stat()
        mode = status.st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{called} is a folder, not a picture: name a file in it.")
        if not stat.S_ISREG(mode):  # reading a pipe could wait for ever
            raise ImageError(f"{called} is not a regular file: copy the picture to a file first.")
        if Path(path).suffix.lower() in _RAW:  # some would open, as the small preview in them
            raise ImageError(f"{called} is a raw photo: convert it to JPEG or PNG.")
        if status.st_size > _MOST_BYTES:
            size = f"{status.st_size / 1e9:,.1f} GB"
            raise ImageError(f"{called} has {size}, more than any picture: check the name.")
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise ImageError(cannot("read", called, error)) from error


def is_gone(path: Path | str) -> bool:
    """Whether there is no such file; one that may merely not be looked at is not gone."""
    try:
        os.stat(path)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return True
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def find_images(
    folder: Path | str, closed: Callable[[Path, str], None] | None = None
) -> list[Path]:
    """List the pictures below a folder in natural order (2.jpg before 10.jpg).

    Known by their extension, in any case. Hidden files and folders are left out. Linked folders
    are followed, but every folder is listed once, under its own name where it has one in here. A
    link to nowhere or in a circle, a pipe and a socket are listed, so that whoever opens one says
    so; and so are HEIC and raw photos.

    Args:
        closed: told each folder below this one that cannot be listed, and why; None: that ends it.

    Raises:
        ImageError: the folder, or one below it, is missing or may not be read.
    """
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    folders, links = [Path(folder)], list[tuple[tuple[object, ...], Path]]()  # a heap
    while folders or links:
        # Links last: a folder that is also reached by its own name keeps that name.
        here = folders.pop() if folders else heappop(links)[1]
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if _is_folder(entry):
                        path = Path(entry.path)
                        if entry.is_symlink():
                            heappush(links, (natural_key(path), path))
                        else:
                            folders.append(path)
                    elif Path(entry.name).suffix.lower() in EXTENSIONS:
                        found.append(Path(entry.path))
        except OSError as error:
            if closed is not None and here != Path(folder):
                closed(here, f"cannot be listed: {advice(error)}")
            else:
                raise _not_listed(here, error) from error
    return sorted(found, key=natural_key)


def _not_listed(folder: Path, error: OSError) -> ImageError:
    if isinstance(error, NotADirectoryError):
        return ImageError(f"{display_path(folder)} is a file, not a folder.")
    return ImageError(cannot("listed", display_path(folder), error))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, or through a folder that may not be read
        return False
