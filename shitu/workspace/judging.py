"""How well a workspace answers, how fast, and whether all is whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shitu.arguments import list_of, name_of, number_of, path_of
from shitu.candidates import Decider, depth
from shitu.deciding import Rule
from shitu.errors import GalleryError, ItemNotFound, ModelError, SpaceMismatch
from shitu.geometry import Box
from shitu.models.spec import ModelSpec
from shitu.networks import SEVERAL
from shitu.runtime.session import Session
from shitu.workspace.recognising import Recognising
from shitu.workspace.wiring import Progress, towards

if TYPE_CHECKING:
    from shitu.catalog import Catalog, CheckReport
    from shitu.catalog.golden import GoldenAnswer, GoldenSummary
    from shitu.choosing import Choice
    from shitu.choosing.diagnosis import Diagnosis
    from shitu.evaluation.bootstrap import Resampling
    from shitu.evaluation.checking import Check
    from shitu.evaluation.endtoend import BoxReport
    from shitu.evaluation.retrieval import EvaluationOptions, Query, RetrievalReport
    from shitu.evaluation.truths import LabelledPicture
    from shitu.gallery.where import Where
    from shitu.linting import LintReport
    from shitu.timing import Timing


class Judging(Recognising):
    """Measures, times and checks."""

    def evaluate(
        self,
        queries: str | Path | Sequence[Query],
        progress: Progress | None = None,
        *,
        where: str | Where | None = None,
        options: EvaluationOptions | None = None,
    ) -> RetrievalReport:
        """Measure how well `recognize` names pictures whose labels are known.

        Args:
            queries: folder with one folder per label, a label file, or the queries themselves.
            progress: called with the number of pictures done so far and the total.
            where: measure as if the gallery held only what this filter allows.
            options: what to report; by default with the threshold of this workspace.
        """
        from shitu.catalog.filtering import Among
        from shitu.evaluation.retrieval import EvaluationOptions, describe_queries, score_queries
        from shitu.workspace.asking import queries_of

        self.catalog.refresh()
        self._require_own_space()
        lookup = self.catalog if where is None else Among(self.catalog, where)
        asked, skipped = queries_of(queries)
        self._networks_for(max(SEVERAL, len(asked)))
        found = describe_queries(asked, self.describer, towards(len(asked), progress))
        self.catalog.refresh()  # that may have taken minutes
        options = options or EvaluationOptions(threshold=self.threshold)
        options = replace(
            options,
            prototype_weight=self.config.prototype_weight,
            check=self._check(options.threshold),
        )
        calibration = self.catalog.calibration()
        if calibration is not None and options.confidence is None:
            options = replace(options, confidence=calibration.of_neighbours)
        report = score_queries(found, lookup, options)
        return replace(report, skipped=(*skipped, *report.skipped))

    def _check(self, threshold: float) -> Check:
        """What recognition would make of rankings."""
        from shitu.evaluation.checking import Check

        config = self.config
        by_score = config.threshold is not None
        rule = Rule(threshold, by_score, config.prototype_weight, config.lead)
        decider = Decider(rule, self.catalog.calibration(), self._verifier)
        return Check(decider, depth(config.top_k))

    def lint(self, progress: Progress | None = None) -> LintReport:
        """Find pictures and items that make the gallery answer wrongly, or worse than it could."""
        from shitu.linting import lint

        self.catalog.refresh()
        catalog = self.catalog
        return lint(catalog.gallery, catalog.resembling, catalog.compared, progress)

    def evaluate_boxes(
        self,
        truths: str | Path | Sequence[LabelledPicture],
        progress: Progress | None = None,
        *,
        where: str | Where | None = None,
        plan: Resampling | None = None,
    ) -> BoxReport:
        """Measure how much of what is in whole scenes is found and named; see `evaluate_boxes`.

        Args:
            truths: file of true boxes, JSON Lines or COCO, or what it lists.
            progress: called with the number of pictures done so far and the total.
            where: measure as if the gallery held only what this filter allows.
            plan: of the intervals; None: none.
        """
        from shitu.catalog.filtering import Among
        from shitu.evaluation.endtoend import evaluate_boxes
        from shitu.evaluation.truths import LabelledPicture, read_truths
        from shitu.workspace.asking import as_kept

        if isinstance(truths, (str, Path)):
            truths = read_truths(path_of("truths", truths))
        pictures = [as_kept(each) for each in list_of("truths", truths, LabelledPicture)]
        lookup = self.catalog if where is None else Among(self.catalog, where)
        labels = {reference.label for reference in lookup.all_references()}
        recognize = partial(self.recognize, where=where, log=False)
        told = towards(len(pictures), progress)
        report = evaluate_boxes(pictures, recognize, labels, plan, told)
        return replace(report, verify=self.config.verify)

    def add_golden(
        self,
        picture: str | Path,
        label: str | None,
        *,
        box: Box | None = None,
        whole_image: bool = False,
    ) -> GoldenSummary:
        """Keep a picture with its answer, None for unknown; see `Catalog.add_golden`."""
        path = path_of("picture", picture)
        self._require_own_space()
        return self.catalog.add_golden(path, label, box=box, whole_image=whole_image)

    def check_golden(self, golden_id: int | None = None) -> list[GoldenAnswer]:
        """Look all golden queries up, or one, as `recognize` would look up their crops."""
        self._require_own_space()
        every = self.catalog.check_golden()
        if golden_id is None:
            return every
        number = number_of("golden_id", golden_id)
        those = [one for one in every if one.golden_id == number]
        if not those:
            raise ItemNotFound(f"there is no golden query {number}: `shitu golden list` has them")
        return those

    def diagnose(self) -> Diagnosis:
        """Try all engines, keep the choice, and tell all that explains it; takes seconds."""
        return self._networks.diagnose()

    def choose_engine(self, names: Sequence[str] | None = None) -> Choice:
        """Find out which engine is the fastest here, and keep that for `auto`; takes seconds.

        Args:
            names: of the engines to try beside those that `auto` is without a trial; None: those
                that start quickly.
        """
        return self._networks.choose_engine(names)

    def bench(self, model: str, *, pictures: str | Path | None = None, runs: int = 20) -> Timing:
        """Time a model on one picture after the other, in the engine of the settings.

        Args:
            model: name or folder.
            pictures: picture or folder; None: made-up pictures.
            runs: how often it is timed.

        Raises:
            ConfigError: it is to be timed less than once.
            ModelError: there is no such model, or the engine cannot run it.
            ImageError: a picture cannot be read, or there is none.
        """
        from shitu.benching import bench

        self._require_open()
        where = None if pictures is None else path_of("pictures", pictures)
        return bench(self.config, name_of("model", model), where, number_of("runs", runs))

    def open(self, spec: ModelSpec) -> Session:
        """Load the network of a model in the engine of this workspace."""
        return self._networks.open(spec)

    def check(
        self, *, repair: bool = False, full: bool = False, progress: Progress | None = None
    ) -> CheckReport:
        """Check gallery, index and pictures row by row; see `Catalog.check`."""
        from shitu.catalog import Catalog

        self._require_open()
        config = self.config
        with Catalog.open(self._folder, url=config.database, read_only=not repair) as catalog:
            report = catalog.check(repair=repair, full=full, progress=progress)
            return report.with_notes("vectors", self._other_models(catalog))

    def _other_models(self, catalog: Catalog) -> tuple[str, ...]:
        """Why the models in use cannot look anything up in this gallery."""
        try:
            catalog.require_space(self._lineup_for(catalog.gallery.active_space()).space())
        except (ModelError, SpaceMismatch) as error:
            return (str(error),)
        except GalleryError:  # which is more than a note
            pass
        return ()
