"""CLIP's towers give what open_clip and PaddleClas give with the same weights.

The frozen table is compared with everywhere; open_clip itself, at full size, where it is installed
(`pip install open-clip-torch`).
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import clip_oracles as oracles
import numpy as np
import pytest

from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.nets import build
from shitu.nets._paddle import paddle
from shitu.nets.clip_text import ClipText, TextTower
from shitu.nets.clip_vit import ClipRecognition, ClipViT, ImageTower
from shitu.nets.clip_weights import has_text_tower, image_tower, read_safetensors, text_tower
from shitu.nets.params import pour

TABLE = json.loads(oracles.TABLE.read_text(encoding="utf-8"))
CASES = TABLE["open_clip"]
IDS = ["OpenAI's GELU" if case["quick_gelu"] else "GELU" for case in CASES]
CLOSE = 2e-5  # of numbers of about 1, through two blocks in float32


def tiny(dim: int = oracles.DIM, *, quick_gelu: bool = True) -> ImageTower:
    return ImageTower(size=32, patch=8, width=64, depth=2, heads=2, dim=dim, quick_gelu=quick_gelu)


def tiny_text(*, quick_gelu: bool = True) -> TextTower:
    return TextTower(12, 100, width=48, depth=2, heads=4, dim=oracles.DIM, quick_gelu=quick_gelu)


def run(net: Any, batch: np.ndarray) -> np.ndarray:
    net.eval()
    with paddle.no_grad():
        found: np.ndarray = net(paddle.to_tensor(batch)).numpy()
    return found


def as_transformers(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same weights as Hugging Face's transformers name, cut and turn them."""
    found = {"logit_scale": np.float32(1.0)}
    towers = (("visual.", "vision_model."), ("", "text_model."))
    special = {
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    }
    parts = (
        ("transformer.resblocks.", "encoder.layers."),
        *((f"ln_{i}.", f"layer_norm{i}.") for i in "12"),
        ("attn.out_proj.", "self_attn.out_proj."),
        *(("mlp.c_fc.", "mlp.fc1."), ("mlp.c_proj.", "mlp.fc2.")),
        *(("ln_pre.", "pre_layrnorm."), ("ln_post.", "post_layernorm.")),
        ("ln_final.", "final_layer_norm."),
    )
    for name, array in arrays.items():
        if name in ("visual.proj", "text_projection"):
            found[f"{'visual' if '.' in name else 'text'}_projection.weight"] = array.T
            continue
        old, new = next(tower for tower in towers if name.startswith(tower[0]))
        target = special.get(name, new + name[len(old) :])
        for before, after in parts:
            target = target.replace(before, after)
        if "attn.in_proj_" in target:
            for letter, part in zip("qkv", np.split(array, 3), strict=True):
                found[target.replace("attn.in_proj_", f"self_attn.{letter}_proj.")] = part
        else:
            found[target] = array
    return found


@pytest.mark.parametrize("layout", [dict, as_transformers], ids=["open_clip", "transformers"])
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_both_towers_give_what_open_clip_gives(case: dict[str, Any], layout: Any) -> None:
    arrays = layout(oracles.weights(case["shapes"], case["seed"]))
    image = ClipViT(tiny(quick_gelu=case["quick_gelu"]))
    pour(image, image_tower(arrays), "oracle")
    found = run(image, oracles.pictures(case["seed"]))
    assert np.abs(found - np.array(case["image"])).max() < CLOSE
    assert np.abs(found[0] - found[1]).max() > 0.1

    assert has_text_tower(arrays)
    text = ClipText(tiny_text(quick_gelu=case["quick_gelu"]))
    pour(text, text_tower(arrays), "oracle")
    found = run(text, oracles.texts(case["seed"]).astype(np.float32))
    assert np.abs(found - np.array(case["text"])).max() < CLOSE


def test_the_two_activations_differ() -> None:
    assert np.abs(np.subtract(CASES[0]["image"], CASES[1]["image"])).max() > 100 * CLOSE


@pytest.mark.parametrize(
    ("case", "pooling"),
    list(zip(TABLE["paddleclas"], ("patches", "tokens"), strict=True)),
    ids=["base", "large"],
)
def test_recognition_gives_what_paddleclas_gives(case: dict[str, Any], pooling: Any) -> None:
    net = ClipRecognition(tiny(), pooling)
    head = {"head.weight": np.zeros((oracles.DIM, 7))}  # of training, which files hold, too
    pour(net, {**oracles.weights(case["shapes"], case["seed"]), **head}, "oracle")
    found = run(net, oracles.pictures(case["seed"]))
    assert np.abs(found - np.array(case["image"])).max() < CLOSE
    assert {n: list(t.shape) for n, t in net.state_dict().items()} == case["shapes"]


def test_a_text_ends_at_its_end_token_whatever_follows() -> None:
    net = ClipText(tiny_text())
    tokens = oracles.texts(0)[:1].astype(np.float32)
    longer = tokens.copy()
    longer[0, -1] = 5
    assert np.allclose(run(net, tokens), run(net, longer), atol=1e-6)
    longer[0, 1] = 5
    assert not np.allclose(run(net, tokens), run(net, longer), atol=1e-4)


def test_weights_without_text_tower_say_so() -> None:
    case = CASES[0]
    arrays = oracles.weights(case["shapes"], case["seed"])
    image_only = {name: array for name, array in arrays.items() if name.startswith("visual.")}
    assert not has_text_tower(image_only)
    with pytest.raises(ModelError, match="no text tower"):
        text_tower(image_only)


def test_what_no_rule_knows_is_complained_of() -> None:
    case = CASES[0]
    arrays = oracles.weights(case["shapes"], case["seed"])
    arrays["visual.attnpool.weight"] = np.zeros(3)
    with pytest.raises(WeightsCorrupt, match=r"unknown attnpool\.weight"):
        pour(ClipViT(tiny()), image_tower(arrays), "ResNet")


def test_safetensors_are_read(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    arrays = {"visual.proj": np.ones((2, 3), np.float16)}
    save_file(arrays, tmp_path / "model.safetensors")
    found = read_safetensors(tmp_path / "model.safetensors")
    assert np.array_equal(found["visual.proj"], arrays["visual.proj"])


def test_safetensors_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(WeightsNotFound, match=r"No weights at .*model\.safetensors"):
        read_safetensors(path)
    path.write_bytes(b"\x80\x02 a pickle?")
    with pytest.raises(WeightsCorrupt, match=r"model\.safetensors cannot be read"):
        read_safetensors(path)


@pytest.mark.skipif(not find_spec("open_clip"), reason="open_clip is not installed")
@pytest.mark.parametrize("name", os.environ.get("SHITU_TEST_CLIP", "ViT-B-16").split(","))
def test_full_size_against_open_clip_itself(name: str) -> None:
    import open_clip
    import torch

    size = {"ViT-B-16": "base_patch16_224", "ViT-L-14": "large_patch14_224"}[name]
    model = open_clip.create_model(name).eval()
    state = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    net = build(f"clip_vit_{size}_gelu")
    pour(net, image_tower(state), name)
    batch = oracles.pictures(0, 224)
    with torch.no_grad():
        wanted = model.encode_image(torch.from_numpy(batch)).numpy()
    found = run(net, batch)
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()

    text = build(f"clip_text_{size}_gelu")
    pour(text, text_tower(state), name)
    tokens = np.zeros((1, 77), np.int64)
    tokens[0, :4] = 49406, 320, 1929, 49407
    with torch.no_grad():
        wanted = model.encode_text(torch.from_numpy(tokens)).numpy()
    found = run(text, tokens.astype(np.float32))
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()
