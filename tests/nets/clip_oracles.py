"""What open_clip and PaddleClas compute with small towers of random weights: clip_oracles.json.

pip install open-clip-torch && python tests/nets/clip_oracles.py
PADDLECLAS=checkout python tests/nets/clip_oracles.py     # PaddleClas' part, too
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

TABLE = Path(__file__).with_name("clip_oracles.json")
DIM = 24
IMAGE = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8}
TEXT = {"context_length": 12, "vocab_size": 100, "width": 48, "heads": 4, "layers": 2}
FOUNDATION = {"img_size": 32, "patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 2}

# What is built under these names differs in more than size.
PADDLECLAS = ("CLIP_vit_base_patch16_224", "CLIP_vit_large_patch14_224")

Shapes = dict[str, tuple[int, ...]]


def weights(shapes: Shapes, seed: int) -> dict[str, np.ndarray]:
    """Random weights that depend on the seed and the names; none is like another."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in sorted(shapes.items()):
        array = rng.normal(0.0, 0.12, shape)
        is_scale = name.endswith("weight") and len(shape) == 1
        found[name] = np.asarray(array + is_scale, np.float32)
    return found


def pictures(seed: int, size: int = 32, n: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 3, size, size)).astype(np.float32)


def texts(seed: int) -> np.ndarray:
    """Token ids (3, context) as CLIP's tokenizer pads them: begin, words, end, zeros."""
    rng = np.random.default_rng(seed)
    last = TEXT["vocab_size"] - 1
    rows = np.zeros((3, TEXT["context_length"]), np.int64)
    for row, words in zip(rows, (1, 4, TEXT["context_length"] - 2), strict=True):
        row[: words + 2] = [last - 1, *rng.integers(1, last - 1, words), last]
    return rows


def shapes_of(state: Any) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def open_clip_case(quick_gelu: bool, seed: int = 5) -> dict[str, Any]:
    import torch
    from open_clip.model import CLIP

    model = CLIP(DIM, IMAGE, TEXT, quick_gelu=quick_gelu).eval()
    shapes = {n: s for n, s in shapes_of(model.state_dict()).items() if n != "logit_scale"}
    state = {name: torch.from_numpy(a) for name, a in weights(shapes, seed).items()}
    model.load_state_dict(state, strict=False)
    with torch.no_grad():
        image = model.encode_image(torch.from_numpy(pictures(seed)))
        text = model.encode_text(torch.from_numpy(texts(seed)))
    return {
        "quick_gelu": quick_gelu,
        "seed": seed,
        "shapes": shapes,
        "image": image.numpy().round(6).tolist(),
        "text": text.numpy().round(6).tolist(),
    }


def foundation_vit(checkout: Path) -> Any:
    """PaddleClas' module, without importing the rest of PaddleClas, which needs much more."""
    names = ("ppcls", "ppcls.utils", "ppcls.arch", "ppcls.arch.backbone")
    for name in (*names, "ppcls.arch.backbone.base", "ppcls.arch.backbone.model_zoo"):
        package: Any = types.ModuleType(name)
        package.__path__ = [str(checkout / name.replace(".", "/"))]
        sys.modules[name] = package
    saving: Any = types.ModuleType("ppcls.utils.save_load")
    saving.load_dygraph_pretrain = saving.get_pretrain_state_dict = None
    sys.modules[saving.__name__] = saving
    return importlib.import_module("ppcls.arch.backbone.model_zoo.foundation_vit")


def paddleclas_case(module: Any, name: str, seed: int = 6) -> dict[str, Any]:
    """The network of the recognition configurations: tower, mean of the tokens, FC neck."""
    import paddle

    net = paddle.nn.Layer()
    net.backbone = module.VisionTransformer(
        name,
        **FOUNDATION,
        qkv_bias=True,
        epsilon=1e-5,
        output_dim=DIM,
        return_embed=True,
        return_mean_embed=True,
        head_init_scale=1,
    )
    net.neck = paddle.nn.Layer()
    net.neck.fc = paddle.nn.Linear(DIM, DIM)
    net.eval()
    shapes = shapes_of(net.state_dict())
    net.set_state_dict(weights(shapes, seed))
    with paddle.no_grad():
        image = net.neck.fc(net.backbone(paddle.to_tensor(pictures(seed))))
    return {"name": name, "seed": seed, "shapes": shapes, "image": image.numpy().round(6).tolist()}


def main() -> None:
    table = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    if importlib.util.find_spec("open_clip"):
        table["open_clip"] = [open_clip_case(quick) for quick in (True, False)]
    if checkout := os.environ.get("PADDLECLAS"):
        module = foundation_vit(Path(checkout))
        table["paddleclas"] = [paddleclas_case(module, name) for name in PADDLECLAS]
    TABLE.write_text(json.dumps(table) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
