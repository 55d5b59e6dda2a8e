"""Paddle Inference with oneDNN kernels, the native engine of exported Paddle models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from shitu import __version__
from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.models.spec import ModelSpec, sha256_of
from shitu.runtime.cache import cache_folder, replace_file
from shitu.runtime.session import Float32Array

_PROGRAM, _PARAMS, _DIGESTS = "inference.json", "inference.pdiparams", "sha256.json"
_NEAREST = {"nearest_interp", "nearest_interp_v2"}


class PaddleInferenceSession:
    """An exported Paddle network, on the CPU.

    Args:
        model_path: the program: `inference.json` (Paddle 3) or `.pdmodel` (Paddle 2).
        params_path: its parameters, `.pdiparams`.
        threads: that work on one batch; None leaves the choice to Paddle, which takes one.
        bfloat16: compute in bfloat16, which needs a CPU that can.

    Raises:
        ModelError: this CPU does not compute in bfloat16.
        WeightsNotFound: one of the files is missing.
        WeightsCorrupt: Paddle cannot make sense of them.
    """

    def __init__(
        self,
        model_path: Path,
        params_path: Path,
        threads: int | None = None,
        *,
        bfloat16: bool = False,
    ) -> None:
        self.engine = "paddle-bf16" if bfloat16 else "paddle"
        for path in (model_path, params_path):
            if not path.is_file():
                raise WeightsNotFound(
                    f"No Paddle model file at {path}. Check the path, or export the model again."
                )
        self._path = model_path
        if bfloat16:
            _require_bfloat16()
        try:
            self._predictor = _predictor(model_path, params_path, threads, bfloat16=bfloat16)
        except Exception as error:
            raise WeightsCorrupt(
                f"Paddle cannot open the model {model_path} with {params_path.name}: "
                f"{_summary(error)}. Export or fetch it again."
            ) from None
        self.inputs = tuple(self._predictor.get_input_names())
        self._inputs = {name: self._predictor.get_input_handle(name) for name in self.inputs}
        self._outputs = [
            self._predictor.get_output_handle(name) for name in self._predictor.get_output_names()
        ]
        # A predictor holds one set of input and output buffers, and keeps something of each thread
        # that runs it: where threads come and go, one run in four fails. So it has its own.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shitu-paddle")

    def run(self, batch: Float32Array) -> list[Float32Array]:
        """See `Session.run`; calls from several threads wait for each other."""
        return self.run_named({self.inputs[0]: batch})

    def run_named(self, feeds: Mapping[str, Float32Array]) -> list[Float32Array]:
        """See `NamedSession.run_named`."""
        return self._thread.submit(self._run, feeds).result()

    def _run(self, feeds: Mapping[str, Float32Array]) -> list[Float32Array]:
        try:
            for name, value in feeds.items():
                self._inputs[name].copy_from_cpu(np.ascontiguousarray(value, np.float32))
            self._predictor.run()
            return [handle.copy_to_cpu() for handle in self._outputs]
        except Exception as error:
            shape = next(iter(feeds.values())).shape
            raise ModelError(
                f"The model {self._path} cannot run on a batch of shape {shape}: {_summary(error)}"
            ) from None


@contextmanager
def exported(spec: ModelSpec) -> Iterator[tuple[Path, Path]]:
    """Program and parameters of a model of ours, to be opened inside.

    They are kept in the user's cache; where that cannot be written, they are made each time.
    """
    folder = cache_folder("paddle", _key(spec))
    if folder is not None and _is_whole(folder):
        yield folder / _PROGRAM, folder / _PARAMS
        return
    from shitu.nets import build
    from shitu.nets.exporting import export_paddle
    from shitu.nets.params import load_params

    net = build(spec.architecture)
    load_params(net, spec.files["params"].verified())
    with TemporaryDirectory() as scratch:
        files = export_paddle(net, (3, *spec.preprocessing.input_size), Path(scratch))
        # Never over those of another process: two exports do not fit each other.
        if folder is not None and not _is_whole(folder):
            _keep(files, folder)
        yield files


def _key(spec: ModelSpec) -> str:
    """Folder name for all that an export depends on."""
    from shitu.nets._paddle import paddle

    size = "x".join(map(str, spec.preprocessing.input_size))
    made_by = f"{__version__} {paddle.__version__} {spec.architecture} {spec.weights_sha256}"
    return f"{size}-{hashlib.sha256(made_by.encode()).hexdigest()[:32]}"


def _is_whole(folder: Path) -> bool:
    """Whether the files of an export are there, and those that were written together."""
    try:
        wanted = json.loads((folder / _DIGESTS).read_bytes())
        return bool(wanted == {name: sha256_of(folder / name) for name in (_PROGRAM, _PARAMS)})
    except (OSError, ValueError, WeightsNotFound):
        return False


def _keep(files: Sequence[Path], folder: Path) -> None:
    digests = {file.name: sha256_of(file) for file in files}
    if all(replace_file(folder / file.name, file.read_bytes()) for file in files):
        replace_file(folder / _DIGESTS, json.dumps(digests).encode())


def _require_bfloat16() -> None:
    from shitu.nets._paddle import paddle

    if not paddle.base.core.supports_bfloat16():
        raise ModelError(
            "This CPU has no instructions for bfloat16: use the engine paddle instead."
        )


def _predictor(model_path: Path, params_path: Path, threads: int | None, *, bfloat16: bool) -> Any:
    from shitu.nets._paddle import paddle

    config = paddle.inference.Config(str(model_path), str(params_path))
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_mkldnn()
    if not _can_use_onednn(model_path):
        if model_path.suffix == ".json":
            # What was fused for oneDNN, the convolutions, stays with it; the rest does without.
            config.delete_pass("onednn_placement_pass")
        else:
            config.disable_mkldnn()
    if bfloat16:
        config.enable_mkldnn_bfloat16()
    if model_path.suffix == ".json":
        # Without these two, memory optimisation falls back to an executor that cannot read .json.
        config.enable_new_ir(True)
        config.enable_new_executor(True)
    config.enable_memory_optim()
    if threads is not None:
        config.set_cpu_math_library_num_threads(threads)
    return paddle.inference.create_predictor(config)


def _can_use_onednn(model_path: Path) -> bool:
    """Whether oneDNN runs every operator of the program.

    Paddle 3.3.0 and 3.3.1 fail at nearest interpolation ("ConvertPirAttribute2RuntimeAttribute
    not support"), which the neck of PicoDet has in the vendor's exports.
    """
    from shitu.models.graphs import read_graph
    from shitu.nets._paddle import paddle

    broken = paddle.__version__.startswith("3.3.")
    return not (broken and read_graph(model_path).operators & _NEAREST)


def _summary(error: Exception) -> str:
    """The last line of Paddle's many that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
