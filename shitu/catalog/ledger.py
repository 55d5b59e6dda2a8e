"""What a build knows and finds out about each picture, and what follows from it."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from shitu.catalog.entries import Entry, listed_once
from shitu.catalog.files import file_state, holds, was_removed
from shitu.catalog.reading import Picture
from shitu.catalog.summaries import Skipped
from shitu.gallery import FileState, KnownFile
from shitu.images import display_path
from shitu.images.files import is_gone
from shitu.images.names import advice


@dataclass
class Move:
    """A known content under a new name."""

    path: str
    state: FileState


@dataclass(frozen=True)
class _Holder:
    """Who has a content: a reference of the gallery, or a picture met in this build."""

    path: str
    label: str
    state: FileState
    known: KnownFile | None = None


@dataclass
class Ledger:
    """Decides about one picture after another; writes nothing."""

    root: Path
    known: Sequence[KnownFile]
    unchanged: int = 0
    added: list[Path] = field(default_factory=list)  # by who describes them
    replaced: list[Path] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    duplicates: list[Skipped] = field(default_factory=list)
    states: dict[int, FileState] = field(default_factory=dict)
    moves: dict[int, Move] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)  # of the references to be relabelled

    def __post_init__(self) -> None:
        self._by_path = {file.path: file for file in self.known}
        self._holders = {
            file.sha256: _Holder(file.path, file.label, file.state, file) for file in self.known
        }
        self._seen: set[int] = set()  # references whose content was found, wherever
        self._listed: set[str] = set()
        self._emptied: dict[str, list[KnownFile]] = {}
        self._closed: tuple[str, ...] = ()  # folders of which nobody knows what is in them
        self._walked = False  # whether a folder was listed, not a label file
        self._overwritten: set[int] = set()  # references whose path holds something else now

    # --- before anything is read -------------------------------------------------------

    def scan(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return the entries that have to be read; the others are dealt with."""
        entries = list(entries)
        self._closed = tuple(f"{entry.path}/" for entry in entries if entry.closed)
        self._walked = not any(entry.explicit for entry in entries)
        usable = [entry for entry in listed_once(entries) if self._usable(entry)]
        names = self._folder_labels(usable)
        self._emptied = self._without(usable)
        to_read = []
        for entry in usable:
            if not entry.explicit:
                label = names.get(self._folder(str(entry.path)), entry.label)
                entry = Entry(entry.path, label, explicit=False)
            file, state = self._by_path.get(str(entry.path)), file_state(entry.path)
            if state is None:
                self._skip(entry.path, self._why_missing(entry.path))
            elif file is not None and file.state == state:
                self._same(file, entry)
            else:
                to_read.append(entry)
        # Last those of which only the rest says whether their folder's pictures lie elsewhere now.
        return sorted(to_read, key=lambda entry: self._folder(str(entry.path)) in self._emptied)

    def followed(self, entry: Entry) -> Entry:
        """Return an entry with the label of the pictures whose place in its folder it takes."""
        folder = self._folder(str(entry.path))
        before = () if entry.explicit else self._emptied.get(folder, ())
        labels = {
            file.label
            for file in before
            if file.reference_id not in self.moves
            or self._folder(self.moves[file.reference_id].path) == folder
        }
        return replace(entry, label=labels.pop()) if len(labels) == 1 else entry

    def _usable(self, entry: Entry) -> bool:
        self._listed.add(str(entry.path))
        if entry.problem:
            self._skip(entry.path, entry.problem)
        return not entry.problem

    def _folder_labels(self, entries: Iterable[Entry]) -> dict[str, str]:
        """Labels that differ from their folder's name: pictures put into it follow the others."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for entry in entries:
            file = self._by_path.get(str(entry.path))
            if file is not None and not entry.explicit:
                found[self._folder(file.path)].add(file.label)
        return {folder: labels.pop() for folder, labels in found.items() if len(labels) == 1}

    def _without(self, entries: Iterable[Entry]) -> dict[str, list[KnownFile]]:
        """What was known of folders of which no known picture is listed any more."""
        listed = {str(entry.path) for entry in entries}
        found: defaultdict[str, list[KnownFile]] = defaultdict(list)
        kept = set[str]()
        for file in self.known:
            if file.path in listed:
                kept.add(self._folder(file.path))
            elif file.path.startswith(f"{self.root}/"):
                found[self._folder(file.path)].append(file)
        return {folder: files for folder, files in found.items() if folder not in kept}

    def _folder(self, path: str) -> str:
        return path[len(str(self.root)) :].lstrip("/").split("/", 1)[0]

    def _why_missing(self, path: Path) -> str:
        if was_removed(path, self.root):
            return "was removed from the gallery; `shitu add-item` brings it back"
        if is_gone(path):
            # A name that no system can hold is no link, and no error either.
            link = os.path.islink(path)  # noqa: PTH114
            return "is a link to nowhere" if link else "does not exist"
        try:
            path.stat()
        except OSError as error:
            return f"cannot be looked at: {advice(error)}"
        return "came only just now; the next build takes it"

    # --- once a picture was read -------------------------------------------------------

    def wanted(self, digest: str) -> bool:
        """Whether a content has to be decoded and described."""
        return digest not in self._holders

    def take(self, entry: Entry, picture: Picture) -> bool:
        """Note a picture that was read; returns whether it is a new one to be described."""
        there = self._by_path.get(str(entry.path))
        if picture.problem:
            if there is not None:
                self._seen.add(there.reference_id)  # what was there stays until it can be read
            self._skip(entry.path, picture.problem)
            return False
        holder = self._holders.get(picture.sha256)
        if there is not None and there.sha256 != picture.sha256:
            self._overwritten.add(there.reference_id)
        if holder is None:
            if there is not None:
                self.replaced.append(entry.path)
            self._holders[picture.sha256] = _Holder(str(entry.path), entry.label, picture.state)
            return True
        self._known_content(entry, picture, holder)
        return False

    def _known_content(self, entry: Entry, picture: Picture, holder: _Holder) -> None:
        path = str(entry.path)
        if holder.known is not None and holder.path == path:
            self.states[holder.known.reference_id] = picture.state
            self._same(holder.known, entry)
        elif self._still_there(holder, picture.sha256):
            self.refuse(entry, holder.label, holder.path)
        elif holder.known is not None:
            number = holder.known.reference_id
            self.moves[number] = Move(path, picture.state)
            self._seen.add(number)
            label = entry.label if self._elsewhere(entry, holder.path) else holder.label
            self._relabel(holder.known, label)
            self._holders[picture.sha256] = _Holder(path, label, picture.state, holder.known)

    def _elsewhere(self, entry: Entry, before: str) -> bool:
        """Whether a picture has come to another label, not only to another name in its folder."""
        below = before.startswith(f"{self.root}/")
        same = below and self._folder(before) == self._folder(str(entry.path))
        return entry.explicit or not same

    def _still_there(self, holder: _Holder, digest: str) -> bool:
        if holder.known is None:
            return True
        if self._missing(holder.known):  # listed no more, even if the file still lies there
            return False
        return file_state(holder.path) == holder.state or holds(holder.path, digest)

    def _same(self, file: KnownFile, entry: Entry) -> None:
        self._seen.add(file.reference_id)
        self.unchanged += 1
        if entry.explicit:
            self._relabel(file, entry.label)

    def _relabel(self, file: KnownFile, label: str) -> None:
        if file.label != label:
            self.labels[file.reference_id] = label

    def refuse(self, entry: Entry, label: str, path: str) -> None:
        """Note a picture whose content the gallery has already."""
        same = f"has the same content as {display_path(path)}"
        if label == entry.label:
            self.duplicates.append(Skipped(entry.path, same))
        else:
            self._skip(entry.path, f"{same}, which belongs to {label!r}")

    def met(self, entry: Entry, label: str, path: Path) -> None:
        """Note a picture whose content another process added meanwhile, maybe as that very one."""
        if (path, label) == (entry.path, entry.label):
            self.unchanged += 1
        else:
            self.refuse(entry, label, "a picture added meanwhile")

    def _skip(self, path: Path, reason: str) -> None:
        self.skipped.append(Skipped(path, reason))

    # --- at the end --------------------------------------------------------------------

    def any_used(self) -> bool:
        """Whether one of the pictures listed is in the gallery, or came to it."""
        return bool(self.unchanged or self.added or self.moves or self.duplicates)

    def outdated(self) -> list[KnownFile]:
        """Return the references whose files were given other content."""
        return [
            file
            for file in self.known
            if file.reference_id not in self._seen
            and (file.reference_id in self._overwritten or self._by_path[file.path] is not file)
        ]

    def vanished(self) -> list[KnownFile]:
        """Return the references that this root should have listed, and did not."""
        gone = {file.reference_id for file in self.outdated()} | self._seen
        return [
            file
            for file in self.known
            if file.reference_id not in gone and self._missing(file) and not self._late(file)
        ]

    def _late(self, file: KnownFile) -> bool:
        """Whether it lies in the folder that was listed: others found it there only since."""
        return self._walked and file.path.startswith(f"{self.root}/") and not is_gone(file.path)

    def of_root(self) -> list[KnownFile]:
        """Return the references that this root accounts for."""
        below = f"{self.root}/"
        return [
            file
            for file in self.known
            if file.source == str(self.root) or file.path.startswith(below)
        ]

    def _missing(self, file: KnownFile) -> bool:
        if file.path.startswith(self._closed):
            return False
        gone = is_gone(file.path)
        if file.path in self._listed and not gone:
            return False
        if file.source == str(self.root):
            return True
        below = file.path.startswith(str(self.root) + "/")
        return below and gone

    def renamed_items(self) -> dict[int, str]:
        """Return the items all of whose references get one and the same label, a new one."""
        of_item = Counter(file.item_id for file in self.known)
        targets: defaultdict[int, Counter[str]] = defaultdict(Counter)
        for file in self.known:
            if file.reference_id in self.labels:
                targets[file.item_id][self.labels[file.reference_id]] += 1
        taken = {file.label for file in self.known}
        renamed: dict[int, str] = {}
        for item_id, labels in targets.items():
            label, count = labels.most_common(1)[0]
            if count == of_item[item_id] and label not in taken:
                renamed[item_id] = label
                taken.add(label)
        return renamed
