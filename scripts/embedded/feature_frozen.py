"""Networks that are not trained, run by OpenVINO: several times as fast as PyTorch, and in bfloat16
where the processor has it."""

from __future__ import annotations

import threading
from typing import Any

import openvino
import torch
from torch import Tensor, nn

STREAMS = 2  # pictures' halves at once, one a core


class Frozen:
    """Calls a network on (n, c, h, w) float32 from up to two threads at once.

    It is compiled anew for each shape it meets; there are only a few in a training.
    """

    def __init__(self, net: nn.Module, channels: int = 3) -> None:
        with torch.no_grad():
            example = torch.zeros(2, channels, 64, 64)
            self._model = openvino.convert_model(net.eval(), example_input=example)
        self._compiled: dict[tuple[int, ...], Any] = {}
        self._compiling = threading.Lock()
        self._own = threading.local()

    def __call__(self, x: Tensor) -> list[Tensor]:
        """All outputs of the network, float32."""
        request = self._request(tuple(x.shape))
        request.infer({0: x.contiguous().numpy()})
        return [torch.from_numpy(made.data.copy()) for made in request.output_tensors]

    def _request(self, shape: tuple[int, ...]) -> Any:
        requests = self._own.__dict__.setdefault("requests", {})
        if shape not in requests:
            with self._compiling:
                if shape not in self._compiled:
                    self._compiled[shape] = self._compile(shape)
            requests[shape] = self._compiled[shape].create_infer_request()
        return requests[shape]

    def _compile(self, shape: tuple[int, ...]) -> Any:
        model = self._model.clone()
        model.reshape({0: list(shape)})
        settings = {
            "NUM_STREAMS": str(STREAMS),
            "INFERENCE_NUM_THREADS": str(STREAMS),
            "ENABLE_CPU_PINNING": "NO",
        }
        return openvino.Core().compile_model(model, "CPU", settings)
