"""Adds pictures to one item: everything is checked before anything is written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shitu.arguments import box_of, named_of
from shitu.catalog.describing import Describer, check_box, describe
from shitu.catalog.files import copy_in, file_state, folder_name, path_in, sha256
from shitu.catalog.labels import given_label
from shitu.catalog.reading import Picture, read_picture
from shitu.catalog.summaries import AddSummary, Skipped
from shitu.describer import Description
from shitu.errors import DuplicateReference, GalleryError, ImageError, ItemNotFound
from shitu.gallery import NewReference, Reference
from shitu.gallery.gallery import Gallery
from shitu.gallery.transaction import Transaction
from shitu.geometry import Box
from shitu.images import Image, display_path, read_bytes, thumbnail

_BATCH = 32


@dataclass(frozen=True)
class _Ready:
    picture: Picture
    description: Description
    thumbnail: bytes


def add_pictures(
    gallery: Gallery,
    describer: Describer,
    paths: Sequence[Path],
    label: str,
    *,
    box: Box | None,
    attributes: Mapping[str, Any] | None,
    home: Path,
) -> AddSummary:
    """See `Catalog.add`; `home` becomes the root if there is none yet."""
    name = given_label(label, gallery)
    box = None if box is None else box_of(box)
    attributes = None if attributes is None else named_of("attributes", attributes)
    if not paths:
        raise GalleryError(f"no picture to add to {name!r} was named")
    space = describer.space  # before: networks may follow the gallery to other models meanwhile
    ready, duplicates = _prepare(gallery, describer, paths, name, box)
    root = gallery.root() or home
    folder = folder_of(gallery, name, root)
    copied: list[Path] = []
    with undone_on_error(copied), gallery.write("add") as transaction:
        transaction.set_root(root)
        new = _not_there(transaction, ready, name, duplicates)
        item_id = transaction.ensure_item(name, attributes)
        # Copied under the write lock: two processes never choose one name for two pictures.
        rows = [(item_id, _row(one, root, folder, box, copied)) for one in new]
        numbers = transaction.add(rows, space)
    return AddSummary(
        item_id=item_id,
        label=name,
        reference_ids=tuple(numbers),
        copied=tuple(copied),
        duplicates=tuple(duplicates),
        generation=gallery.head().generation,
    )


def _prepare(
    gallery: Gallery,
    describer: Describer,
    paths: Sequence[Path],
    label: str,
    box: Box | None,
) -> tuple[list[_Ready], list[Skipped]]:
    """Read, decode, check and describe all pictures."""
    ready: list[_Ready] = []
    duplicates: list[Skipped] = []
    seen: dict[str, Path] = {}
    for start in range(0, len(paths), _BATCH):
        pictures = [read_picture(path, lambda _: True) for path in paths[start : start + _BATCH]]
        there = gallery.by_sha256([picture.sha256 for picture in pictures])
        new: list[tuple[Picture, Image]] = []
        for picture in pictures:
            twin = there.get(picture.sha256)
            if twin is not None:
                duplicate = _duplicate(picture.path, label, twin.label, twin.path)
                duplicates.append(_boxed_otherwise(duplicate, twin, box))
            elif picture.sha256 in seen:
                first = seen[picture.sha256]
                duplicates.append(_duplicate(picture.path, label, label, first))
            elif picture.image is not None:
                seen[picture.sha256] = picture.path
                check_box(picture.image, box, picture.path)
                new.append((picture, picture.image))
        if not new:
            continue
        described = describe(describer, [image for _, image in new], [box] * len(new))
        ready += [
            # Picture and bytes are let go of: many photos at once would fill the memory.
            _Ready(
                Picture(picture.path, b"", picture.sha256, picture.state, None),
                one,
                thumbnail(image, box=one.box),
            )
            for (picture, image), one in zip(new, described, strict=True)
        ]
    return ready, duplicates


def _duplicate(path: Path, label: str, other: str, first: Path) -> Skipped:
    if label != other:
        raise DuplicateReference(
            f"{display_path(path)} has the same content as {display_path(first)}, which belongs to "
            f"{other!r}: remove it there first, or leave it out; nothing was added"
        )
    return Skipped(path, f"has the same content as {display_path(first)}")


def _boxed_otherwise(duplicate: Skipped, twin: Reference, box: Box | None) -> Skipped:
    """Say so where another box is asked for than the one that the reference has."""
    if box is None or (twin.box_given and twin.box == tuple(map(float, box))):
        return duplicate
    said = (
        f"{duplicate.reason}, reference {twin.reference_id}, whose box stays as it is: for another "
        f"one, run `shitu remove-item --reference {twin.reference_id}` first"
    )
    return replace(duplicate, reason=said)


def _not_there(
    transaction: Transaction, ready: list[_Ready], label: str, duplicates: list[Skipped]
) -> list[_Ready]:
    # Another process may have added some of these since they were looked up.
    there = transaction.holders([one.picture.sha256 for one in ready])
    new = []
    for one in ready:
        if one.picture.sha256 in there:
            _, other = there[one.picture.sha256]
            meanwhile = Path("a picture added meanwhile")
            duplicates.append(_duplicate(one.picture.path, label, other, meanwhile))
        else:
            new.append(one)
    return new


def folder_of(gallery: Gallery, label: str, root: Path) -> Path:
    """Return where the item's pictures lie already, or a folder named like it."""
    own, found = root / folder_name(label), list[Path]()
    with contextlib.suppress(ItemNotFound):
        item = gallery.item(label=label)
        for reference in gallery.all_references(item.item_id):
            with contextlib.suppress(ValueError):
                inside = reference.path.relative_to(root)
                if len(inside.parts) > 1 and not inside.parts[0].startswith("."):
                    found.append(root / inside.parts[0])
    # After a merge there are several, of which one may bear its name.
    return own if own in found or not found else found[0]


def _row(
    one: _Ready, root: Path, folder: Path, box: Box | None, copied: list[Path]
) -> NewReference:
    path, state = path_in(root, one.picture.path), one.picture.state
    if not _at_home(path, root):
        path, written = copy_in(_same_bytes(one.picture), path.name, folder)
        if written:
            copied.append(path)
        state = file_state(path) or state
    return NewReference(
        path=str(path),
        sha256=one.picture.sha256,
        state=state,
        box=one.description.box,
        box_given=box is not None,
        how="add",
        source=None,
        thumbnail=one.thumbnail,
        embedding=one.description.embedding,
    )


def _at_home(path: Path, root: Path) -> bool:
    """Whether builds of the root walk to this picture; to what was put aside they do not."""
    folders = path.parent.relative_to(root).parts if path.is_relative_to(root) else (".",)
    return not any(name.startswith(".") for name in folders)


def _same_bytes(picture: Picture) -> bytes:
    data = read_bytes(picture.path)
    if sha256(data) != picture.sha256:
        raise ImageError(
            f"{display_path(picture.path)} was changed while it was being added: add it again"
        )
    return data


@contextlib.contextmanager
def undone_on_error(copied: list[Path]) -> Iterator[None]:
    """Delete what was copied if the block fails, and the folder that was made for it."""
    try:
        yield
    except BaseException:
        for path in copied:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other pictures are in it
                path.parent.rmdir()
        raise
