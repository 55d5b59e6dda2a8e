"""Goes over from one space to another: embed beside the old, compare, switch in one commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shitu.catalog.comparison import Comparison, compare_spaces
from shitu.catalog.describing import Describer
from shitu.catalog.learning import forget_bare_map, learnt_elsewhere
from shitu.catalog.reembedding import Progress, Reembedding
from shitu.catalog.requerying import embed_queries
from shitu.catalog.summaries import Skipped
from shitu.errors import ConfigError, GalleryError, ModelError
from shitu.figures import many
from shitu.gallery import Space
from shitu.gallery.gallery import Gallery
from shitu.gallery.spaces import MIGRATE
from shitu.geometry import Box
from shitu.images import Image, display_path
from shitu.lineup import named
from shitu.telling import Told

MAX_LOSS = 0.02

SWITCHED = "switched"
IN_USE = "in use already"
DRY_RUN = "dry run"
REFUSED = "refused"


@dataclass(frozen=True)
class MigrateSummary(Told):
    """What a migration did.

    Attributes:
        before, after: how the two spaces are called.
        references: of the gallery.
        embedded: references embedded in this run, from their pictures or thumbnails.
        makeshift: references with a vector made from the thumbnail, which is worse.
        missing: references that have no vector in the new space, and why.
        comparison: the two spaces on this gallery; None if the space was in use already.
        outcome: "switched", "in use already", "dry run" or "refused".
        reason: why it was refused; after a dry run, why it would be.
        inert: rejections and golden queries that have no vector in the new space.
        left: what was learnt in other spaces, and does not count in the new one: "map",
            "calibration".
    """

    before: str
    after: str
    references: int
    embedded: int
    makeshift: int
    missing: tuple[Skipped, ...]
    comparison: Comparison | None
    outcome: str
    reason: str
    generation: int
    inert: int = 0
    left: tuple[str, ...] = ()


def migrate(
    gallery: Gallery,
    describer: Describer,
    *,
    allow_missing: bool = False,
    max_loss: float | None = MAX_LOSS,
    dry_run: bool = False,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> MigrateSummary:
    """Embed all references anew, compare, and switch in one commit.

    What is embedded is committed in batches: when the process is interrupted or killed, the same
    call goes on from there. What other processes add meanwhile is caught up with.

    Args:
        describer: of the space to go to.
        allow_missing: embed the thumbnail of a picture that is missing or was changed.
        max_loss: refuse if recall falls by more; None: never.
        dry_run: embed and compare, but do not switch.
        batch_size: references embedded, and committed, at a time.
        progress: called with the number of references that have their vector, and of all.

    Raises:
        ConfigError: `max_loss` is no share.
        GalleryError: there is nothing in the gallery yet.
    """
    if max_loss is not None and not 0 <= max_loss <= 1:
        raise ConfigError(f"max_loss is {max_loss}: give a share from 0 to 1, or None for any")
    old, new = gallery.active_space(), describer.space
    if old is None:
        raise GalleryError(
            "there is no vector in the gallery yet: `shitu build-index --model` builds it with any "
            "model"
        )
    old = named(old)
    work = Reembedding(
        gallery,
        describer,
        allow_missing=allow_missing,
        batch_size=batch_size,
        progress=progress,
    )
    if old.fingerprint == new.fingerprint:
        return _summary(gallery, old, new, work.done, None, IN_USE)
    work.run()
    comparison = compare_spaces(gallery, old, new)
    while True:
        inert = embed_queries(gallery, describer)
        why = _refusal(work.done, comparison, max_loss, allow_missing=allow_missing)
        if why or dry_run:
            outcome = DRY_RUN if dry_run else REFUSED
            found = _summary(gallery, old, new, work.done, comparison, outcome, why)
            return replace(found, inert=inert)
        if _switched(gallery, old, new):
            found = _summary(gallery, old, new, work.done, comparison, SWITCHED)
            return replace(found, inert=inert)
        work.run()  # others have added pictures


def _switched(gallery: Gallery, old: Space, new: Space) -> bool:
    with gallery.write(MIGRATE) as transaction:
        transaction.spaces().ensure(new)
        switched = transaction.spaces().switch(old, new)
        if switched:
            forget_bare_map(transaction, new)
        return switched


def _refusal(
    done: Progress, comparison: Comparison, max_loss: float | None, *, allow_missing: bool
) -> str:
    if done.missing:
        first = done.missing[0]
        name = display_path(first.path)  # which most reasons begin with
        why = first.reason if first.reason.startswith(name) else f"{name} {first.reason}"
        thumbnails = "" if allow_missing else ", or embed their thumbnails with --allow-missing"
        return (
            f"{many(len(done.missing), 'reference')} cannot be embedded, the first of them because "
            f"{why.rstrip('.')}: put their pictures back, or remove them from the gallery"
            f"{thumbnails}"
        )
    if max_loss is not None and comparison.loss > max_loss:
        return (
            f"recall@1 would fall from {comparison.recall_before:.3f} to "
            f"{comparison.recall_after:.3f}, by more than {max_loss:g} (--max-loss): choose "
            "another model, or switch all the same with --force"
        )
    return ""


def _summary(
    gallery: Gallery,
    old: Space,
    new: Space,
    done: Progress,
    comparison: Comparison | None,
    outcome: str,
    reason: str = "",
) -> MigrateSummary:
    with gallery.spaces() as reader:
        makeshift = len(reader.makeshift(new))
    return MigrateSummary(
        before=old.called_beside(new),
        after=new.called_beside(old),
        references=gallery.count(),
        embedded=done.embedded,
        makeshift=makeshift,
        missing=tuple(done.missing),
        comparison=comparison,
        outcome=outcome,
        reason=reason,
        generation=gallery.head().generation,
        left=learnt_elsewhere(gallery, new),
    )


# --- the way back ----------------------------------------------------------------------


def previous_space(gallery: Gallery) -> Space:
    """Return the space that was in use before the last migration.

    Raises:
        GalleryError: there was none, or its vectors were dropped.
    """
    with gallery.spaces() as reader:
        space = reader.previous()
        dropped = space is not None and reader.number(space) is None
    if space is None:
        raise GalleryError(
            "the gallery has never been migrated to another model: there is no way back to go"
        )
    if dropped:
        raise GalleryError(
            f"the vectors of {space.called} were dropped: migrate to that model with `shitu "
            "migrate --model`, which embeds all pictures anew"
        )
    return space


class Absent:
    """Stands for a model that is not installed: enough to go back to vectors that are kept."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def describe(self, images: Sequence[Image], boxes: Sequence[Box | None]) -> list[Any]:
        """Refuse.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            f"pictures were added since the gallery left {self.space.called}, which is not "
            "installed here: install that model, or remove them"
        )


def drop_unused(gallery: Gallery) -> list[Space]:
    """Forget the vectors of all spaces but the one in use; returns those spaces."""
    with gallery.write("drop-old") as transaction:
        return transaction.spaces().drop_unused()
