"""What a workspace learns from its gallery, from what it is told, and from other models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shitu.arguments import name_of, path_of
from shitu.candidates import depth
from shitu.config import DEFAULT_FAR
from shitu.errors import DatasetError, ImageError
from shitu.gallery import Space
from shitu.geometry import Box, crop
from shitu.images import Image, display_path, find_images, load_image
from shitu.lazy_describer import LazyDescriber
from shitu.lineup import Lineup, find_lineup, lineup_of
from shitu.networks import SEVERAL, Networks
from shitu.verifier.reranking import OFF
from shitu.workspace.wiring import Progress, Wiring, towards

if TYPE_CHECKING:
    from shitu.catalog import Catalog
    from shitu.catalog.adapting import LearnSummary
    from shitu.catalog.feedback import ConfirmSummary, RejectSummary
    from shitu.catalog.looking import Looking
    from shitu.catalog.migration import Absent, MigrateSummary
    from shitu.evaluation.queries import DescribedQueries, Query


class Learning(Wiring):
    """Adapts, calibrates, migrates, and takes answers as right or wrong."""

    def adapt(
        self,
        *,
        far: float = DEFAULT_FAR,
        queries: str | Path | Sequence[Query] | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> LearnSummary:
        """Compare through a map fitted on the gallery, if that helps; see `Catalog.adapt`.

        Args:
            far: share of strangers that may get an answer.
            queries: photos that the calibration learns from, too; see `calibrate`.
            dry_run: only measure.
            progress: called with the number of photos described, of rounds done, of queries asked,
                then of those looked at so far, and of all.
        """
        from shitu.catalog.asking import Photos

        asked = self._photos(queries, progress)
        summary = self.catalog.adapt(
            far=far,
            photos=Photos(asked.embeddings, asked.labels),
            dry_run=dry_run,
            progress=progress,
            looking=self._looking([*_parts(asked)], progress),
        )
        return replace(summary, skipped=asked.skipped)

    def calibrate(
        self,
        *,
        far: float = DEFAULT_FAR,
        strangers: str | Path | None = None,
        queries: str | Path | Sequence[Query] | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> LearnSummary:
        """Learn when an answer is to be believed; see `Catalog.calibrate`.

        Args:
            far: share of strangers that may get an answer.
            strangers: folder of pictures of things that the gallery does not have; references
                themselves are left out.
            queries: photos as they will be asked, whose labels are known: folder with one folder
                per label, a label file, or the queries themselves. Of labels that the gallery does
                not have they are strangers; references themselves are left out.
            dry_run: only measure.
            progress: called with the number of strangers described, of photos described, of queries
                asked, then of those looked at so far, and of all.

        Raises:
            ImageError: there is no picture in the folder, or none can be used.
            DatasetError: none of the queries is a photo of an item.
        """
        from shitu.catalog.asking import Photos

        pictures = self._strangers(strangers, progress)
        asked = self._photos(queries, progress)
        summary = self.catalog.calibrate(
            far=far,
            strangers=pictures.embeddings if pictures.paths else None,
            photos=Photos(asked.embeddings, asked.labels),
            dry_run=dry_run,
            progress=progress,
            looking=self._looking([*_parts(pictures), *_parts(asked)], progress),
        )
        return replace(summary, skipped=(*pictures.skipped, *asked.skipped))

    def _strangers(self, folder: str | Path | None, progress: Progress | None) -> DescribedQueries:
        """Describe strangers; what cannot be read, or is a reference itself, is skipped."""
        from shitu.evaluation.queries import DescribedQueries, Query

        if folder is None:
            return DescribedQueries.none()
        folder = path_of("strangers", folder)
        closed: list[tuple[str, str]] = []
        paths = find_images(folder, lambda place, why: closed.append((str(place), why)))
        if not paths and closed:
            raise ImageError(f"{display_path(closed[0][0])} {closed[0][1]}.")
        if not paths:
            raise ImageError(f"No picture found in {folder}.")
        found = self._described([Query(path, "") for path in paths], progress)
        if not found.paths:
            raise ImageError(
                f"No picture in {display_path(folder)} can be used ({len(paths)} tried); the "
                f"first: {found.skipped[0][1]}"
            )
        return replace(found, skipped=(*closed, *found.skipped))

    def _photos(
        self, queries: str | Path | Sequence[Query] | None, progress: Progress | None
    ) -> DescribedQueries:
        """Describe photos; what cannot be read, or is a reference itself, is skipped."""
        from shitu.evaluation.queries import DescribedQueries
        from shitu.workspace.asking import queries_of

        if queries is None:
            return DescribedQueries.none()
        asked, skipped = queries_of(queries)
        found = self._described(asked, progress)
        labels = {item.label for item in self.catalog.gallery.items()}
        if labels.isdisjoint(found.labels):
            raise DatasetError(_useless(found))
        return replace(found, skipped=(*skipped, *found.skipped))

    def _described(self, asked: Sequence[Query], progress: Progress | None) -> DescribedQueries:
        """Describe pictures that are asked about, without those of the gallery itself."""
        from shitu.evaluation.queries import describe_queries

        self._require_own_space()
        self._networks_for(max(SEVERAL, len(asked)))
        found = describe_queries(asked, self.describer, towards(len(asked), progress))
        known = self.catalog.gallery.by_sha256(found.hashes)
        return found.without(known, "is a reference of the gallery itself")

    def _looking(
        self, strangers: Sequence[Callable[[], Image]], progress: Progress | None
    ) -> Looking | None:
        """How the queries of a calibration are looked at; None: by their scores alone."""
        if self.config.verify == OFF:
            return None
        from shitu.catalog.looking import Looking
        from shitu.verifier.references import ReferenceFeatures

        source, config = ReferenceFeatures(self.catalog.gallery), self.config
        return Looking(source, config.verify, depth(config.top_k), strangers, progress)

    def migrate(
        self,
        model: str | None = None,
        detector: str | None = None,
        *,
        back: bool = False,
        progress: Progress | None = None,
        **options: Any,
    ) -> MigrateSummary:
        """Embed the gallery anew beside the old vectors, compare, and switch in one commit.

        Args:
            model: name or folder of the feature extractor to go to; None keeps the present one.
            detector: the same for the detector, `none` for whole pictures.
            back: go back to the models that were in use before the last migration instead; however
                much recall falls, unless `max_loss` is among the options.
            progress: called with the number of references that have their vector, and of all.
            options: see `shitu.catalog.migration.migrate`.
        """
        if back and (model is not None or detector is not None):
            raise TypeError("migrate takes a model, a detector or both, or back alone")
        if back:
            options = {"max_loss": None, **options}
        with self._catalog_of_any_model() as catalog:
            describer = self._before(catalog) if back else self._beside(catalog, model, detector)
            summary = catalog.migrate(describer, progress=progress, **options)
        if "catalog" in self.__dict__:
            self.catalog.refresh()
            self._follow_the_gallery()
        return summary

    def drop_unused_spaces(self) -> list[Space]:
        """Forget the vectors that no migration needs any more; see `Catalog`."""
        with self._catalog_of_any_model() as catalog:
            return catalog.drop_unused_spaces()

    def _beside(self, catalog: Catalog, model: str | None, detector: str | None) -> LazyDescriber:
        space = catalog.space
        now = Lineup() if space is None else lineup_of(space)
        feature = now.feature if model is None else name_of("model", model)
        finder = now.detector if detector is None else name_of("detector", detector)
        return self._with(Lineup(feature, finder))

    def _before(self, catalog: Catalog) -> LazyDescriber | Absent:
        from shitu.catalog.migration import Absent, previous_space

        space = previous_space(catalog.gallery)
        lineup = find_lineup(space)
        return Absent(space) if lineup is None else self._with(lineup)

    def _with(self, lineup: Lineup) -> LazyDescriber:
        return LazyDescriber(Networks(self.config, lineup).ready_for)

    def confirm(self, recognition_id: int, label: str | None = None) -> ConfirmSummary:
        """Make the crop of a logged recognition a reference; see `Catalog.confirm`."""
        self._require_own_space()
        return self.catalog.confirm(recognition_id, label)

    def reject(self, recognition_id: int, label: str | None = None) -> RejectSummary:
        """Remember that an item is no answer to a logged recognition; see `Catalog.reject`."""
        self._require_own_space()
        return self.catalog.reject(recognition_id, label)


def _useless(found: DescribedQueries) -> str:
    if found.labels:
        return (
            f"No photo shows an item of the gallery ({len(found.labels)} asked): the labels of "
            "both must be the same words."
        )
    return (
        f"No photo can be used ({len(found.skipped)} tried); the first: {found.skipped[0][1]}"
        if found.skipped
        else "There are no photos."
    )


def _parts(found: DescribedQueries) -> Iterator[Callable[[], Image]]:
    for path, box in zip(found.paths, found.boxes, strict=True):
        yield partial(_part, Path(path), box)


def _part(path: Path, box: Box | None) -> Image:
    image = load_image(path)
    return image if box is None else crop(image, box)
