"""Which engines there are, what each needs, and how a model is opened in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from shitu.errors import ModelError
from shitu.models.spec import ModelSpec
from shitu.runtime.cache import cache_folder
from shitu.runtime.cpu import this_cpu
from shitu.runtime.session import Session

REFERENCE = "onnxruntime"
"""The engine that others have to agree with: in float32, with kernels that are the same on all
CPUs but for the width of their vectors."""

IN_EIGHT_BITS = "onnxruntime-int8"
"""The engine that is taken before any is tried, on CPUs with VNNI."""

EIGHT_BITS = "onnx_int8"
"""The file of a feature extractor that was trained to compute in 8 bits; a model comes with one
only if it recognises as much with it (see docs/engines.md)."""

SAME = 0.9998
"""Least cosine of two embeddings of a crop by engines in float32. A score, the cosine with a third
vector, then differs by 0.02 at the very worst, and as the difference points anywhere in hundreds of
dimensions, by less than 0.002 in practice."""

SAME_IN_EIGHT_BITS = 0.99
"""The same where one of them computes in 8 bits: of 5,125 photos the least was 0.992. It tells a
network that was trained for it, on a processor that adds bytes exactly, from anything else."""


@dataclass(frozen=True)
class Job:
    """What an engine is to work on, and with what.

    Attributes:
        threads: of all the work; None leaves the choice to the engine.
        streams: batches that are run at a time, from as many threads of the caller.
    """

    threads: int | None = None
    streams: int = 1


@cache
def installed_version(package: str) -> str | None:
    """Version of a package as pip knows it; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Engine:
    """A way to run networks.

    Attributes:
        module: what is imported for it.
        packages: any one of these brings it, as they are called on the index.
        open: makes a session of a model.
        files: what a feature extractor needs to have for it.
        detector_files: the same of a detector; None: as `files`.
        least_cosine: of its embeddings with those of the reference, from which on `auto` takes it.
    """

    name: str
    module: str
    packages: tuple[str, ...]
    open: Callable[[ModelSpec, Job], Session]
    files: str = "onnx"
    detector_files: str | None = None
    least_cosine: float = SAME

    @property
    def version(self) -> str | None:
        """Version of the package that is installed; None where it is not."""
        return next(filter(None, map(installed_version, self.packages)), None)

    def file_of(self, spec: ModelSpec) -> str:
        """Which file of a model this engine reads."""
        own = self.detector_files if spec.kind == "detector" else None
        return own or self.files

    def runs(self, spec: ModelSpec) -> bool:
        """Whether the model has the file that this engine reads."""
        return self.file_of(spec) in spec.files


def required(engine: str, spec: ModelSpec) -> Engine:
    """The engine of that name; raises ModelError if it is not installed or not for the model."""
    wanted = ENGINES[engine]
    if wanted.version is None:
        raise ModelError(
            f"The engine {engine} needs the package {wanted.packages[0]}: "
            f"`pip install {wanted.packages[0]}`, or use the engine auto."
        )
    if not wanted.runs(spec):
        raise ModelError(
            f"The model {spec.name} has no {wanted.file_of(spec)} file, which the engine {engine} "
            "reads: use the engine auto."
        )
    return wanted


def open_session(spec: ModelSpec, engine: str, job: Job) -> Session:
    """Open a model in the engine of that name.

    Raises:
        ModelError: the engine is not installed, or not for this CPU or this model.
        WeightsNotFound, WeightsCorrupt: of the model's files.
    """
    return required(engine, spec).open(spec, job)


def _onnx_runtime(name: str) -> Callable[[ModelSpec, Job], Session]:
    def open_(spec: ModelSpec, job: Job) -> Session:
        from shitu.runtime.onnx_runtime import OnnxRuntimeSession

        kind = _file_for_this_cpu(name, spec)
        # Callers that run side by side are the threads.
        threads = job.threads if job.streams == 1 or job.threads is None else 1
        return OnnxRuntimeSession(spec.files[kind].verified(), threads, engine=name)

    return open_


def _openvino(name: str, *, bfloat16: bool = False) -> Callable[[ModelSpec, Job], Session]:
    def open_(spec: ModelSpec, job: Job) -> Session:
        from shitu.runtime.openvino_runtime import OpenVinoSession

        model = spec.files[_file_for_this_cpu(name, spec)]
        return OpenVinoSession(
            model.verified(),
            job.threads,
            engine=name,
            bfloat16=bfloat16 and _bears_it(spec),
            streams=job.streams,
            cache=_compiled(model.sha256),
        )

    return open_


def _file_for_this_cpu(engine: str, spec: ModelSpec) -> str:
    """Which file of a model the engine reads, if this CPU computes what is in it."""
    file = ENGINES[engine].file_of(spec)
    if file == EIGHT_BITS and not this_cpu().adds_bytes_exactly:
        raise ModelError(
            f"The engine {engine} needs a CPU with VNNI instructions, or vectors in 8 bits are "
            "far from those of the model: use the engine auto."
        )
    return file


def _compiled(sha256: str) -> Path | None:
    """Folder of compiled networks, another one for each file, processor and version of OpenVINO."""
    name = f"{ENGINES['openvino'].version}-{this_cpu().kind}-{sha256[:16]}"
    return cache_folder("openvino", name)


def _paddle(*, bfloat16: bool) -> Callable[[ModelSpec, Job], Session]:
    def open_(spec: ModelSpec, job: Job) -> Session:
        from shitu.runtime.paddle_inference import PaddleInferenceSession, exported

        with exported(spec) as files:
            return PaddleInferenceSession(
                *files, job.threads, bfloat16=bfloat16 and _bears_it(spec)
            )

    return open_


def _bears_it(spec: ModelSpec) -> bool:
    """Whether bfloat16 may be used. It moves the boxes of a detector, and with them the vectors.

    Of 500 photos one in fifty got its main body elsewhere; see docs/engines.md.
    """
    return spec.kind != "detector"


_ORT = ("onnxruntime", "onnxruntime-openvino", "onnxruntime-gpu", "onnxruntime-directml")
_OPENVINO = ("openvino",)
_PADDLE = ("paddlepaddle", "paddlepaddle-gpu")

ENGINES: Mapping[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine("onnxruntime", "onnxruntime", _ORT, _onnx_runtime("onnxruntime")),
        Engine(
            IN_EIGHT_BITS,
            "onnxruntime",
            _ORT,
            _onnx_runtime(IN_EIGHT_BITS),
            EIGHT_BITS,
            "onnx",  # in 8 bits it loses its boxes
            SAME_IN_EIGHT_BITS,
        ),
        Engine("openvino", "openvino", _OPENVINO, _openvino("openvino")),
        Engine("openvino-bf16", "openvino", _OPENVINO, _openvino("openvino-bf16", bfloat16=True)),
        Engine(
            "openvino-int8",
            "openvino",
            _OPENVINO,
            _openvino("openvino-int8"),
            EIGHT_BITS,
            "onnx",
            SAME_IN_EIGHT_BITS,
        ),
        Engine("paddle", "paddle", _PADDLE, _paddle(bfloat16=False), "params"),
        Engine("paddle-bf16", "paddle", _PADDLE, _paddle(bfloat16=True), "params"),
    )
}
