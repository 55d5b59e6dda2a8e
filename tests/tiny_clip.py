"""A CLIP so small that nothing waits for it, with random weights under open_clip's names.

python tests/tiny_clip.py    # makes tests/data/tiny_clip anew; needs paddle2onnx and tokenizers
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).with_name("data") / "tiny_clip"
ARCHITECTURE = "clip_vit_tiny"
SIZE, PATCH, WIDTH, DIM = 32, 8, 32, 16
CONTEXT = 10
WORDS = ("red", "green", "blue", "can", "of", "cola", "tea", "bottle")
# Single letters first, so that every word has tokens; the last two begin and end a text.
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
VOCABULARY = [*LETTERS, *(f"{a}</w>" for a in LETTERS), "<|startoftext|>", "<|endoftext|>"]


def _image() -> Any:
    from shitu.nets.clip_vit import ClipViT, ImageTower

    return ClipViT(ImageTower(SIZE, PATCH, WIDTH, depth=1, heads=2, dim=DIM))


def _text() -> Any:
    from shitu.nets.clip_text import ClipText, TextTower

    return ClipText(TextTower(CONTEXT, len(VOCABULARY), WIDTH, depth=1, heads=2, dim=DIM))


BUILDERS: dict[str, Callable[[], Any]] = {ARCHITECTURE: _image, "clip_text_tiny": _text}


def weights() -> dict[str, np.ndarray]:
    """Both towers, in half precision as OpenAI publishes its own."""
    block = {
        "ln_1.weight": (WIDTH,),
        "ln_1.bias": (WIDTH,),
        "attn.in_proj_weight": (3 * WIDTH, WIDTH),
        "attn.in_proj_bias": (3 * WIDTH,),
        "attn.out_proj.weight": (WIDTH, WIDTH),
        "attn.out_proj.bias": (WIDTH,),
        "ln_2.weight": (WIDTH,),
        "ln_2.bias": (WIDTH,),
        "mlp.c_fc.weight": (4 * WIDTH, WIDTH),
        "mlp.c_fc.bias": (4 * WIDTH,),
        "mlp.c_proj.weight": (WIDTH, 4 * WIDTH),
        "mlp.c_proj.bias": (WIDTH,),
    }
    image: dict[str, tuple[int, ...]] = {
        "class_embedding": (WIDTH,),
        "positional_embedding": ((SIZE // PATCH) ** 2 + 1, WIDTH),
        "conv1.weight": (WIDTH, 3, PATCH, PATCH),
        **{f"ln_{where}.{kind}": (WIDTH,) for where in ("pre", "post") for kind in _AFFINE},
        "proj": (WIDTH, DIM),
        **{f"transformer.resblocks.0.{name}": shape for name, shape in block.items()},
    }
    text: dict[str, tuple[int, ...]] = {
        "token_embedding.weight": (len(VOCABULARY), WIDTH),
        "positional_embedding": (CONTEXT, WIDTH),
        **{f"ln_final.{kind}": (WIDTH,) for kind in _AFFINE},
        "text_projection": (WIDTH, DIM),
        **{f"transformer.resblocks.0.{name}": shape for name, shape in block.items()},
    }
    shapes = {**{f"visual.{name}": shape for name, shape in image.items()}, **text}
    rng = np.random.default_rng(7)
    return {
        name: (rng.normal(0, 0.2, shape) + ("ln_" in name and name.endswith("weight"))).astype(
            np.float16
        )
        for name, shape in shapes.items()
    }


_AFFINE = ("weight", "bias")


def save_weights(path: Path) -> Path:
    from safetensors.numpy import save_file

    save_file(weights(), path)
    return path


def save_tokenizer(path: Path) -> Path:
    """A `tokenizer.json` of CLIP's kind: lower case, byte pairs, begin and end of text."""
    tokens = {token: number for number, token in enumerate(VOCABULARY)}
    begin, end = VOCABULARY[-2:]
    special = [
        {
            "id": tokens[token],
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for token in (begin, end)
    ]
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": [end, tokens[end]],
            "cls": [begin, tokens[begin]],
            "trim_offsets": False,
            "add_prefix_space": False,
        },
        "decoder": None,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": end,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": tokens,
            "merges": [],
        },
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def main() -> None:
    from tempfile import TemporaryDirectory

    from shitu import nets
    from shitu.exporting import export, source_of_weights

    nets.BUILDERS.update(BUILDERS)
    with TemporaryDirectory() as scratch:
        path = save_weights(Path(scratch) / "tiny.safetensors")
        tokenizer = save_tokenizer(Path(scratch) / "tokenizer.json")
        print(export(source_of_weights(path, ARCHITECTURE, tokenizer), "onnx", FOLDER))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
