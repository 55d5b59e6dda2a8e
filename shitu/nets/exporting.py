"""Write a network as Paddle Inference files, the native format of exported Paddle models."""

from __future__ import annotations

import tempfile
from pathlib import Path

from shitu.nets._paddle import nn, paddle
from shitu.nets.layers import fuse
from shitu.nets.suppressing import Suppressing

MODEL_FILE = "inference.json"
PARAMS_FILE = "inference.pdiparams"


def export_paddle(
    net: nn.Layer, input_shape: tuple[int, ...], folder: Path, norms: bool = True
) -> tuple[Path, Path]:
    """Write `inference.json` and `inference.pdiparams`; the batch size stays open.

    Args:
        net: is fused in place, if it is not yet.
        input_shape: channels, height and width of the input, or the length of a text; fixed in
            the files.
        folder: made if it does not exist. The program appears last, so that its presence means
            that the files are complete.
        norms: False leaves batch normalisations to the engine; see `fuse`.

    Returns:
        The paths of the program and of its parameters.
    """
    spec = paddle.static.InputSpec([None, *input_shape], "float32", name="x")
    return _save(fuse(net, norms), [spec], folder)


def export_suppressing(
    net: Suppressing, input_shape: tuple[int, ...], folder: Path
) -> tuple[Path, Path]:
    """Write a detector with its postprocessing, inputs `image` and `scale_factor`; see above."""
    fuse(net.net)
    specs = [
        paddle.static.InputSpec([None, *input_shape], "float32", name="image"),
        paddle.static.InputSpec([None, 2], "float32", name="scale_factor"),
    ]
    return _save(net, specs, folder)


def _save(net: nn.Layer, specs: list[paddle.static.InputSpec], folder: Path) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    net.eval()
    program = paddle.jit.to_static(net, input_spec=specs, full_graph=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        paddle.jit.save(program, str(Path(scratch) / Path(MODEL_FILE).stem))
        for name in (PARAMS_FILE, MODEL_FILE):
            (Path(scratch) / name).replace(folder / name)
    return folder / MODEL_FILE, folder / PARAMS_FILE
