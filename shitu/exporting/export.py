"""Write a model in another format, all of it or nothing."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from shitu.errors import ModelError
from shitu.exporting import writers
from shitu.exporting.int8 import rounds_what_flows, write_int8
from shitu.exporting.made import ExportSummary, made_whole, sizes
from shitu.exporting.parity import FLOAT_COSINE, Gate, Pictures, Run, pictures_of, require_parity
from shitu.exporting.sources import Network, Source
from shitu.models.spec import DESCRIPTION, FOR_MAIN_BODIES

INT8_COSINE = 0.98


@dataclass(frozen=True)
class Format:
    """A format of exports.

    Attributes:
        write: writes the image network into a folder and opens what it wrote; may ask whether
            a run would pass, to choose.
        least: cosine that each picture must reach.
        described_by: `model.yml` for what shitu opens, `inference.yml` for what PaddleX does.
        calibrated: whether it needs real pictures.
    """

    write: Callable[[Source, Path, Pictures, Callable[[Run], bool]], Run]
    least: float = FLOAT_COSINE
    described_by: str = DESCRIPTION
    calibrated: bool = False


_NEEDS_VNNI = (
    "It adds bytes, which only CPUs with VNNI instructions do exactly: on others its vectors are "
    "others."
)

_WEIGHTS_ALONE = (
    "Its weights alone are in 8 bits, so it is smaller but not faster: with all of it in 8 bits "
    "its vectors were others on this CPU. One with VNNI instructions may do better."
)

_NO_TEXT = (
    "Its text tower stays behind: only onnx and int8 have a place for it, and no words can be "
    "looked up with this export."
)

FORMATS: Mapping[str, Format] = {
    "paddle": Format(writers.write_paddle, described_by=writers.PADDLEX_DESCRIPTION),
    "onnx": Format(writers.write_onnx),
    "openvino": Format(writers.write_openvino, described_by=writers.PADDLEX_DESCRIPTION),
    "int8": Format(write_int8, INT8_COSINE, calibrated=True),
}


def export(
    source: Source,
    form: str,
    folder: Path,
    pictures: Path | None = None,
    least: float | None = None,
) -> ExportSummary:
    """Write a model into a new folder, if every picture gets the same vector from it.

    Args:
        source: what to export.
        form: one of `FORMATS`.
        folder: does not exist yet, or is empty.
        pictures: folder of pictures to compare on; None: made-up ones.
        least: cosine that each picture must reach; None: 0.9999, for int8 0.98.

    Raises:
        ModelError: the folder is not empty, a package is missing, or a picture gets another
            vector; nothing is written then.
    """
    wanted = FORMATS[form]
    if wanted.calibrated and pictures is None:
        raise ModelError(f"The format {form} needs pictures like yours: give --pictures DIR.")
    with made_whole(folder) as made:
        shown = pictures_of(pictures)
        gate = Gate(
            source.preprocessing,
            source.image.run,
            shown,
            wanted.least if least is None else least,
        )
        run = wanted.write(source, made, shown, gate.passes)
        worst = gate.require(run)
        text_worst = _add_text(source, made, wanted)
        notes = _describe(source, made, wanted)
    return ExportSummary(folder, form, sizes(folder), worst, len(shown.names), text_worst, notes)


def _add_text(source: Source, folder: Path, wanted: Format) -> float | None:
    """Write the text tower beside the image tower, where there is one."""
    if source.tokenizer is None or wanted.described_by != DESCRIPTION:
        return None
    shutil.copyfile(source.tokenizer, folder / writers.TOKENIZER_FILE)
    if source.text_file is not None:
        shutil.copyfile(source.text_file, folder / writers.TEXT_FILE)
    if source.text is None:
        return None
    run = writers.write_onnx_network(source.text, folder / writers.TEXT_FILE)
    texts = _made_up_texts(source.text)
    names = [f"made-up text {i + 1}" for i in range(len(texts))]
    return require_parity(
        [source.text.run(text) for text in texts], run, texts, names, FLOAT_COSINE
    )


def _made_up_texts(network: Network) -> list[np.ndarray]:
    """Token ids of texts of several lengths, float32 (1, context)."""
    (context,) = network.input_shape
    last = int(network.arrays["token_embed.weight"].shape[0]) - 1
    rng = np.random.default_rng(0)
    texts = []
    for words in (1, 3, context - 2):
        row = np.zeros((1, context), np.float32)
        row[0, : words + 2] = [last - 1, *rng.integers(1, last - 1, words), last]
        texts.append(row)
    return texts


def _describe(source: Source, folder: Path, wanted: Format) -> tuple[str, ...]:
    if wanted.described_by == writers.PADDLEX_DESCRIPTION:
        left = () if source.tokenizer is None else (_NO_TEXT,)
        return *writers.describe_for_paddlex(source, folder), *left
    files = {
        key: {"path": name, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
        for key, name in writers.FILES.items()
        if (folder / name).exists()
    }
    description: dict[str, Any] = {**source.fields, "files": files}
    if FOR_MAIN_BODIES in files and source.main_body_size is not None:
        description["main_body_size"] = list(source.main_body_size)
    text = yaml.safe_dump(
        description, sort_keys=False, default_flow_style=None, width=100, allow_unicode=True
    )
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")
    if rounds_what_flows(folder):
        return (_NEEDS_VNNI,)
    return (_WEIGHTS_ALONE,) if wanted.calibrated else ()
