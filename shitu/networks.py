"""The networks of two models, opened in the fastest engine when they are first used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from shitu._cached import cached_property
from shitu.config import AUTO, Config
from shitu.cropper import Cropper, CropPolicy
from shitu.describer import Describer
from shitu.detector import Detector, Finder, exported_finder
from shitu.embedder import Embedder
from shitu.gallery import Space
from shitu.lineup import Lineup
from shitu.looking import Eyes
from shitu.models.spec import ModelSpec, Suppression
from shitu.runtime.cpu import threads_for
from shitu.runtime.engines import ENGINES, Job, open_session
from shitu.runtime.session import Session
from shitu.workers import Workers

if TYPE_CHECKING:
    from shitu.choosing import Choice
    from shitu.choosing.diagnosis import Diagnosis
    from shitu.text_embedder import TextEmbedder

SEVERAL = 8  # pictures for which it pays to load networks that see several at a time
MANY = 300  # after which a trial of engines takes no longer than what was done

_Loaded = TypeVar("_Loaded")


class Networks:
    """A feature extractor and a detector, and what they are run by.

    Args:
        config: says in which engine, with how many threads, from which scores on.
        lineup: the two models.
    """

    def __init__(self, config: Config, lineup: Lineup) -> None:
        self.config = config
        self.lineup = lineup
        self.streams = 1
        self.threads = threads_for(config.threads)
        self.pool = Workers(self.threads, thread_name_prefix="shitu-look")
        self._text_embedders = _Kept["TextEmbedder"]()
        self._settling, self._settled = Lock(), False
        self._asked = 0
        self._forget()

    def _forget(self) -> None:
        # By number of streams: who asks for one photo and for many in turn waits for each once.
        self._croppers = _Kept[Cropper]()
        self._main_body_croppers = _Kept[Cropper]()
        self._embedders = _Kept[Embedder]()
        self._describers = _Kept[Describer]()

    def of(self, lineup: Lineup) -> Networks:
        """Those of other models, with the same threads, which may still be at work."""
        other = Networks(self.config, lineup)
        other.streams, other.pool = self.streams, self.pool
        return other

    def close(self) -> None:
        """End the threads; what they have begun they finish."""
        self.pool.close()

    @cached_property
    def feature_spec(self) -> ModelSpec:
        """The feature extractor; raises ModelError."""
        return self.lineup.feature_spec()

    @cached_property
    def detector_spec(self) -> ModelSpec | None:
        """The detector, None where pictures are looked up whole; raises ModelError."""
        return self.lineup.detector_spec()

    @property
    def _specs(self) -> list[ModelSpec]:
        """The models for which there is a choice of engines: those that are an ONNX file, too."""
        both = (self.feature_spec, self.detector_spec)
        return [
            spec
            for spec in both
            if spec is not None and "onnx" in spec.files and spec.head == "raw"
        ]

    @cached_property
    def space(self) -> Space:
        """The embedding space that the two make."""
        return self.lineup.space()

    @cached_property
    def policy(self) -> CropPolicy:
        """Which boxes are looked up."""
        own = self.detector_spec.threshold if self.detector_spec is not None else 0.0
        wanted = self.config.detection_threshold
        return CropPolicy(
            main_body_threshold=own,
            threshold=own if wanted is None else wanted,
            max_objects=self.config.max_objects,
        )

    @property
    def cropper(self) -> Cropper:
        """The detector, and which of its boxes are looked up."""
        return self._croppers.of(self.streams, self._load_cropper)

    def _load_cropper(self, streams: int) -> Cropper:
        return self._cropper_of(self.detector_spec, streams)

    @property
    def main_body_cropper(self) -> Cropper:
        """The detector as it looks at pictures of one object."""
        return self._main_body_croppers.of(self.streams, self._load_main_body_cropper)

    def _load_main_body_cropper(self, streams: int) -> Cropper:
        spec = self.detector_spec
        if spec is None or spec.main_body_size is None:
            return self._croppers.of(streams, self._load_cropper)
        # Weaker boxes are no main bodies, and take the place of none: they need no suppression.
        floor = self.policy.main_body_threshold
        return self._cropper_of(spec.for_main_bodies, streams, floor)

    def _cropper_of(
        self, spec: ModelSpec | None, streams: int, floor: float = Suppression.floor
    ) -> Cropper:
        return Cropper(None if spec is None else self._finder(spec, streams, floor), self.policy)

    def _finder(self, spec: ModelSpec, streams: int, floor: float) -> Finder:
        from shitu.runtime.exported import open_exported

        above = self.policy.threshold
        if "program" in spec.files or spec.head != "raw":
            return exported_finder(spec, open_exported(spec, self.threads), above)
        return Detector(
            self._open(spec, streams),
            spec.preprocessing,
            spec.strides,
            spec.reg_max,
            explain_above=above,
            suppression=Suppression(floor=floor, iou=self.config.nms_threshold),
        )

    @property
    def embedder(self) -> Embedder:
        """The feature extractor."""
        return self._embedders.of(self.streams, self._load_embedder)

    def _load_embedder(self, streams: int) -> Embedder:
        spec = self.feature_spec
        session = self._open(spec, streams)
        return Embedder(session, spec.preprocessing, spec.dim, self.config.batch_size)

    @property
    def text_embedder(self) -> TextEmbedder:
        """What turns words into vectors of the same space; raises ModelError if none does."""
        from shitu.text_embedder import TextEmbedder

        return self._text_embedders.of(1, lambda _: TextEmbedder(self.feature_spec))

    @property
    def describer(self) -> Describer:
        """Main body and embedding of pictures of one object."""
        return self._describers.of(self.streams, self._make_describer)

    def _make_describer(self, streams: int) -> Describer:
        cropper = self._main_body_croppers.of(streams, self._load_main_body_cropper)
        embedder = self._embedders.of(streams, self._load_embedder)
        return Describer(cropper, embedder, self.space, self.pool)

    @property
    def eyes(self) -> Eyes:
        """What sees pictures before they are looked up."""
        return Eyes(self.cropper, self.embedder, self.space)

    def open(self, spec: ModelSpec) -> Session:
        """Load the network of a model, any model, in the engine of these."""
        return self._open(spec, self.streams)

    def _open(self, spec: ModelSpec, streams: int) -> Session:
        from shitu.runtime.exported import open_exported

        job = Job(threads=self.threads, streams=streams)
        if "program" in spec.files:
            return open_exported(spec, job.threads)
        # What is no ONNX file can only run on Paddle.
        engine = self.engine if "onnx" in spec.files else "paddle"
        return open_session(spec, engine, job)

    def open_both(self) -> bool:
        """Load both networks side by side, so that the first answer comes sooner.

        Returns:
            Whether they are loaded; otherwise they are when they are first used.
        """
        # Found out before both ask for it. Paddle is not made for two threads that open models.
        if ENGINES[self.engine].module == "paddle" or len(self._specs) < 2:
            return False
        with ThreadPoolExecutor(1, thread_name_prefix="shitu-open") as pool:
            detector = pool.submit(lambda: self.cropper)
            _ = self.embedder
            detector.result()
        return True

    def use_streams(self, streams: int) -> bool:
        """For one photo all threads work on each network; for many, each on a photo of its own.

        Returns:
            Whether other networks are used for that.
        """
        if streams == self.streams or ENGINES[self.engine].module == "paddle":
            return False
        self.streams = streams
        return True

    def ready_for(self, pictures: int) -> Networks:
        """These, having got ready for a number of pictures."""
        self.get_ready(pictures)
        return self

    def get_ready(self, pictures: int) -> bool:
        """Where there are several pictures, see as many at a time; after many, in the best engine.

        Returns:
            Whether other networks are used for that.
        """
        if pictures < SEVERAL:
            return False
        self._asked += pictures
        turned = self._asked >= MANY and self.settle_on_an_engine()
        return self.use_streams(self.threads) or turned

    @cached_property
    def engine(self) -> str:
        """What runs the networks: of the settings, or what was found to be the fastest."""
        return self._engine_for(float("inf"))

    def expect(self, photos: int) -> None:
        """Decide on the engine, unless that is done: one photo is sooner seen by a quick start."""
        if "engine" not in self.__dict__:
            self.engine = self._engine_for(photos)

    def _engine_for(self, photos: float) -> str:
        from shitu.choosing import remembered_engine

        if self.config.engine != AUTO:
            return self.config.engine
        return remembered_engine(self._specs, self.threads, photos)

    def settle_on_an_engine(self) -> bool:
        """Find out which engine is the fastest, unless that was tried; takes seconds.

        Returns:
            Whether the networks are another engine's from now on.
        """
        from shitu.choosing import worth_choosing

        if self.config.engine != AUTO:
            return False
        with self._settling:  # trials side by side would slow each other down
            if self._settled:
                return False
            self._settled = True
            if not worth_choosing(self._specs, self.threads):
                return False
            self.choose_engine()
            before = self.__dict__.pop("engine", None)
            if before in (None, self.engine):
                return False
            self._forget()
            return True

    def choose_engine(self, names: Sequence[str] | None = None) -> Choice:
        """Find out which engine is the fastest here, and keep that for `auto`; takes seconds."""
        from shitu.choosing import Task, choose

        task = Task(self.lineup.feature, self.lineup.detector, self.threads)
        return choose(self._specs, task, names)

    def diagnose(self) -> Diagnosis:
        """Try all engines, keep the choice, and tell all that explains it; takes seconds."""
        from shitu.choosing.diagnosis import diagnose

        choice = self.choose_engine(list(ENGINES))
        return diagnose(choice, self.config.engine, self._specs, self.threads)


class _Kept(Generic[_Loaded]):
    """Networks by number of streams, each loaded once, whoever asks at the same time."""

    def __init__(self) -> None:
        self._loaded: dict[int, _Loaded] = {}
        self._loading = Lock()

    def of(self, streams: int, load: Callable[[int], _Loaded]) -> _Loaded:
        with self._loading:
            if streams not in self._loaded:
                self._loaded[streams] = load(streams)
            return self._loaded[streams]
