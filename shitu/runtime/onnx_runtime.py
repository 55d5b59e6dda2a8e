"""ONNX Runtime, the default engine: starts in a fifth of the time that Paddle takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.runtime.session import Float32Array

_ERRORS_ONLY = 3


class OnnxRuntimeSession:
    """A network in an ONNX file, on the CPU.

    Args:
        path: the file.
        threads: that work on one batch; None leaves the choice to ONNX Runtime.
        engine: what it is called, for the network may be in 8 bits.

    Raises:
        WeightsNotFound: there is no such file.
        WeightsCorrupt: ONNX Runtime cannot make sense of it.
    """

    def __init__(
        self, path: Path, threads: int | None = None, *, engine: str = "onnxruntime"
    ) -> None:
        self.engine = engine
        if not path.is_file():
            raise WeightsNotFound(f"No ONNX model at {path}. Check the path, or install again.")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.inter_op_num_threads = 1
        # Threads that wait for the next layer spin, which answers one photo on free cores in half
        # the time. After the last layer they would go on, and keep a core from the other network.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        # With memory planned by the first run of a shape, further runs of some networks are wrong
        # (1.18: vision transformers, shown one picture at a time). It saves no time that shows.
        options.enable_mem_pattern = False
        if threads is not None:
            options.intra_op_num_threads = threads
        self._path = path
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no documented base class
            raise WeightsCorrupt(
                f"ONNX Runtime cannot open the model {path}: {_one_line(error)}. Fetch the file "
                "again."
            ) from None
        self.inputs = tuple(value.name for value in self._session.get_inputs())
        self.input_shape = tuple(self._session.get_inputs()[0].shape)

    def run(self, batch: Float32Array) -> list[Float32Array]:
        """See `Session.run`; safe to call from several threads."""
        return self.run_named({self.inputs[0]: batch})

    def run_named(self, feeds: Mapping[str, Float32Array]) -> list[Float32Array]:
        """See `NamedSession.run_named`; safe to call from several threads."""
        feeds = {name: np.ascontiguousarray(value, np.float32) for name, value in feeds.items()}
        pictures = len(next(iter(feeds.values())))
        if pictures < 2 or self.input_shape[:1] != (1,):
            return self._run(feeds)
        # PyTorch's exporter fixes the batch that it was shown, which is one, unless told not to.
        found = [
            self._run({name: value[i : i + 1] for name, value in feeds.items()})
            for i in range(pictures)
        ]
        return [np.concatenate(outputs) for outputs in zip(*found, strict=True)]

    def _run(self, feeds: Mapping[str, Float32Array]) -> list[Float32Array]:
        try:
            outputs: list[Float32Array] = self._session.run(None, feeds)
        except Exception as error:
            shape = next(iter(feeds.values())).shape
            raise ModelError(
                f"The model {self._path} cannot run on a batch of shape {shape}: {_one_line(error)}"
            ) from None
        return outputs


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
