"""Depthwise convolution whose backward pass is fast on a CPU (see feature_depthwise.c)."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@cache
def _compiled() -> Any:
    source = Path(__file__).with_suffix(".c")
    made = Path(tempfile.mkdtemp()) / "depthwise.so"
    flags = ["-O3", "-march=native", "-mprefer-vector-width=512", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, str(source), "-o", str(made)], check=True)
    return ctypes.CDLL(str(made)).depthwise_backward


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor, stride: int) -> Tensor:
        x = x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        size = kernel.shape[-1]
        ctx.save_for_backward(x, kernel)
        ctx.stride = stride
        low = kernel.to(torch.bfloat16), bias.to(torch.bfloat16)
        return F.conv2d(x, *low, stride, size // 2, 1, x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, kernel = ctx.saved_tensors
        gy = grads[0].to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        n, c, h, w = x.shape
        size = kernel.shape[-1]
        taps = kernel.detach().float().view(c, size * size).t().contiguous()
        gk = torch.zeros_like(taps)
        gx = torch.empty_like(x)
        pointers = [ctypes.c_void_p(t.data_ptr()) for t in (x, gy, taps, gx, gk)]
        if _compiled()(*pointers, n, h, w, c, gy.shape[2], gy.shape[3], size, ctx.stride):
            raise ValueError(
                f"no fast gradient for {c} channels, kernel {size}, stride {ctx.stride}"
            )
        gk = gk.t().reshape(kernel.shape).to(kernel.dtype)
        return gx, gk, gy.sum((0, 2, 3), dtype=torch.float32), None


def depthwise(x: Tensor, kernel: Tensor, bias: Tensor, stride: int) -> Tensor:
    """(n, c, h, w) with a (c, 1, k, k) kernel, padding k // 2; computed in bfloat16."""
    found: Tensor = _Depthwise.apply(x, kernel, bias, stride)
    return found
