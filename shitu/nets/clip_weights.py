"""CLIP's weights under the names of our towers, whatever their maker calls them.

Known are the names of OpenAI and open_clip (`visual.transformer.resblocks...`), those of
transformers (`vision_model.encoder.layers...`) and PaddleClas' own. Linear layers of PyTorch are
transposed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]
Rule: TypeAlias = tuple[re.Pattern[str], str, Callable[[Array], Array]]


def _rules(*rows: tuple[str, str, Callable[[Array], Array]]) -> tuple[Rule, ...]:
    return tuple((re.compile(pattern), name, change) for pattern, name, change in rows)


def _same(array: Array) -> Array:
    return array


def _transposed(array: Array) -> Array:
    return np.ascontiguousarray(array.T)


def _row(array: Array) -> Array:
    return array.reshape(1, 1, -1) if array.ndim == 1 else array[None]


_BLOCK = r"transformer\.resblocks\.(\d+)\."
_OPENAI_BLOCKS = (
    (_BLOCK + r"ln_([12])\.(weight|bias)", r"blocks.\1.norm\2.\3", _same),
    (_BLOCK + r"attn\.in_proj_weight", r"blocks.\1.attn.qkv.weight", _transposed),
    (_BLOCK + r"attn\.in_proj_bias", r"blocks.\1.attn.qkv.bias", _same),
    (_BLOCK + r"attn\.out_proj\.weight", r"blocks.\1.attn.proj.weight", _transposed),
    (_BLOCK + r"attn\.out_proj\.bias", r"blocks.\1.attn.proj.bias", _same),
    (_BLOCK + r"mlp\.c_fc\.weight", r"blocks.\1.mlp.fc1.weight", _transposed),
    (_BLOCK + r"mlp\.c_fc\.bias", r"blocks.\1.mlp.fc1.bias", _same),
    (_BLOCK + r"mlp\.c_proj\.weight", r"blocks.\1.mlp.fc2.weight", _transposed),
    (_BLOCK + r"mlp\.c_proj\.bias", r"blocks.\1.mlp.fc2.bias", _same),
)
_OPENAI_IMAGE = _rules(
    (r"class_embedding", "cls_token", _row),
    (r"positional_embedding", "pos_embed", _row),
    (r"conv1\.weight", "patch_embed.proj.weight", _same),
    (r"ln_pre\.(weight|bias)", r"ln_pre.\1", _same),
    (r"ln_post\.(weight|bias)", r"norm.\1", _same),
    (r"proj", "proj", _same),
    *_OPENAI_BLOCKS,
)
_OPENAI_TEXT = _rules(
    (r"token_embedding\.weight", "token_embed.weight", _same),
    (r"positional_embedding", "pos_embed", _row),
    (r"ln_final\.(weight|bias)", r"norm.\1", _same),
    (r"text_projection", "proj", _same),
    *_OPENAI_BLOCKS,
)
_LAYER = r"encoder\.layers\.(\d+)\."
_HF_BLOCKS = (
    (_LAYER + r"layer_norm([12])\.(weight|bias)", r"blocks.\1.norm\2.\3", _same),
    (_LAYER + r"self_attn\.qkv\.weight", r"blocks.\1.attn.qkv.weight", _transposed),
    (_LAYER + r"self_attn\.qkv\.bias", r"blocks.\1.attn.qkv.bias", _same),
    (_LAYER + r"self_attn\.out_proj\.weight", r"blocks.\1.attn.proj.weight", _transposed),
    (_LAYER + r"self_attn\.out_proj\.bias", r"blocks.\1.attn.proj.bias", _same),
    (_LAYER + r"mlp\.fc([12])\.weight", r"blocks.\1.mlp.fc\2.weight", _transposed),
    (_LAYER + r"mlp\.fc([12])\.bias", r"blocks.\1.mlp.fc\2.bias", _same),
)
_HF_IMAGE = _rules(
    (r"embeddings\.class_embedding", "cls_token", _row),
    (r"embeddings\.position_embedding\.weight", "pos_embed", _row),
    (r"embeddings\.patch_embedding\.weight", "patch_embed.proj.weight", _same),
    (r"pre_layrnorm\.(weight|bias)", r"ln_pre.\1", _same),  # sic
    (r"post_layernorm\.(weight|bias)", r"norm.\1", _same),
    (r"projection\.weight", "proj", _transposed),
    *_HF_BLOCKS,
)
_HF_TEXT = _rules(
    (r"embeddings\.token_embedding\.weight", "token_embed.weight", _same),
    (r"embeddings\.position_embedding\.weight", "pos_embed", _row),
    (r"final_layer_norm\.(weight|bias)", r"norm.\1", _same),
    (r"projection\.weight", "proj", _transposed),
    *_HF_BLOCKS,
)
# No weights: the temperature of training, and what PyTorch could as well compute.
_NOT_WEIGHTS = re.compile(
    r"(.*\.)?(logit_scale|logit_bias|attn_mask|position_ids|input_resolution|context_length"
    r"|vocab_size)"
)


def image_tower(arrays: Arrays) -> dict[str, Array]:
    """The parameters of the image tower under the names of `shitu.nets.clip_vit`.

    Args:
        arrays: a whole CLIP, or its image tower alone; PaddleClas' names come back as they are.
    """
    if _any(arrays, "vision_model."):
        return _renamed(_of_transformers(arrays, "vision_model.", "visual_projection."), _HF_IMAGE)
    if _any(arrays, "visual."):
        return _renamed(_below(arrays, "visual."), _OPENAI_IMAGE)
    return dict(arrays)


def text_tower(arrays: Arrays) -> dict[str, Array]:
    """The parameters of the text tower under the names of `shitu.nets.clip_text`.

    Raises:
        ModelError: there is no text tower among them.
    """
    if _any(arrays, "text_model."):
        return _renamed(_of_transformers(arrays, "text_model.", "text_projection."), _HF_TEXT)
    found = _below(arrays, "text.") or {
        name: array for name, array in arrays.items() if not name.startswith("visual.")
    }
    if "token_embedding.weight" not in found:
        raise ModelError("These weights have no text tower: they describe pictures only.")
    return _renamed(found, _OPENAI_TEXT)


def has_text_tower(arrays: Arrays) -> bool:
    """Whether there is a text tower among the parameters."""
    return any(name.endswith("token_embedding.weight") for name in arrays)


def read_safetensors(path: Path) -> dict[str, Array]:
    """The arrays of a `.safetensors` file by their names; half precision stays half precision.

    Raises:
        WeightsNotFound: there is no such file.
        WeightsCorrupt: it is none, or is damaged, or holds numbers that numpy does not know.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.is_file():
        raise WeightsNotFound(f"No weights at {path}. Check the path.")
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, KeyError, TypeError) as error:
        raise WeightsCorrupt(
            f"The weights {path} cannot be read ({error}). Fetch the file again, in float32 or "
            "float16."
        ) from None


def _any(names: Iterable[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)


def _below(arrays: Arrays, prefix: str) -> dict[str, Array]:
    return {name[len(prefix) :]: a for name, a in arrays.items() if name.startswith(prefix)}


def _renamed(arrays: Arrays, rules: Iterable[Rule]) -> dict[str, Array]:
    """Apply the rule that fits each name; a name that none fits stays, and is complained of."""
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        if _NOT_WEIGHTS.fullmatch(name):
            continue
        for pattern, template, change in rules:
            match = pattern.fullmatch(name)
            if match:
                found[match.expand(template)] = change(array)
                break
        else:
            found[name] = array
    return found


def _of_transformers(arrays: Arrays, prefix: str, projection: str) -> dict[str, Array]:
    """One tower, with queries, keys and values joined as everybody else joins them."""
    found = {
        **_below(arrays, prefix),
        **{f"projection.{name}": a for name, a in _below(arrays, projection).items()},
    }
    for query in [name for name in found if ".self_attn.q_proj." in name]:
        names = [query.replace(".q_proj.", f".{part}_proj.") for part in "qkv"]
        if all(name in found for name in names):
            joined = np.concatenate([found.pop(name) for name in names])
            found[query.replace(".q_proj.", ".qkv.")] = joined
    return found
