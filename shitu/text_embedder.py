"""Words -> unit vectors in the space of a model's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from shitu.errors import ModelError, WeightsCorrupt
from shitu.models.spec import ModelSpec
from shitu.runtime.onnx_runtime import OnnxRuntimeSession
from shitu.runtime.session import Float32Array


class Tokenizer:
    """Turns texts into token ids, as a `tokenizer.json` beside the model says.

    Args:
        path: the file.
        context: tokens that the network takes; longer texts are cut.

    Raises:
        ModelError: the package tokenizers is not installed.
        WeightsCorrupt: the file is no tokenizer.
    """

    def __init__(self, path: Path, context: int) -> None:
        if not find_spec("tokenizers"):
            raise ModelError("Searching by words needs tokenizers: `pip install 'shitu[text]'`.")
        import tokenizers

        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # what it raises has no class of its own
            raise WeightsCorrupt(f"The tokenizer {path} cannot be read: {error}.") from None
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(context)
        self._context = context

    def __call__(self, texts: Sequence[str]) -> Float32Array:
        """Token ids (n, context), float32, padded with 0."""
        ids = np.zeros((len(texts), self._context), np.float32)
        for row, text in zip(ids, texts, strict=True):
            found = self._tokenizer.encode(text).ids
            row[: len(found)] = found
        return ids


class TextEmbedder:
    """Turns texts into embeddings that are compared with those of pictures.

    Args:
        spec: a model with a text tower.

    Raises:
        ModelError: it has none, or one that takes no texts of a fixed length, or the package
            tokenizers is not installed.
        WeightsNotFound, WeightsCorrupt: of its files.
    """

    def __init__(self, spec: ModelSpec) -> None:
        if not {"text", "tokenizer"} <= spec.files.keys():
            raise ModelError(
                f"The model {spec.name} cannot read words: it has no text tower. Make one of CLIP "
                "weights with `shitu export --tokenizer`, and build a gallery with it."
            )
        self._name = spec.name
        self._dim = spec.dim
        self._session = OnnxRuntimeSession(spec.files["text"].verified())
        shape = self._session.input_shape
        if len(shape) != 2 or not isinstance(shape[1], int):
            raise ModelError(
                f"The text tower {spec.files['text'].path} takes {shape} and not a number of texts "
                "of so many tokens: make it with `shitu export --tokenizer`."
            )
        self._tokenizer = Tokenizer(spec.files["tokenizer"].verified(), shape[1])

    def embed(self, texts: Sequence[str]) -> Float32Array:
        """Embeddings (n, dim), each of length one.

        Raises:
            ModelError: the network answered with something that is no direction.
        """
        (vectors,) = self._session.run(self._tokenizer(texts))
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        good = np.all(np.isfinite(norms) & (norms > 0))
        if vectors.shape != (len(texts), self._dim) or not good:
            raise ModelError(f"The text tower of {self._name} returned no vectors of {self._dim}.")
        unit: Float32Array = vectors / norms
        return unit
