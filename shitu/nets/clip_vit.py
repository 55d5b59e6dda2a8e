"""CLIP's image tower (Radford et al. 2021), alone and as PP-ShiTuV2's feature network uses it.

Names of parameters as in PaddleClas (`foundation_vit`, `RecModel`); `shitu.nets.clip_weights` knows
what OpenAI, open_clip and transformers call them.
"""

# mypy: allow-subclassing-any

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from shitu.nets._paddle import Tensor, nn, paddle
from shitu.nets.transformer import Block

Pooling: TypeAlias = Literal["class", "patches", "tokens"]
_INIT_STD = 0.02


@dataclass(frozen=True)
class ImageTower:
    """The size of an image tower.

    Attributes:
        size: side of the input in pixels.
        patch: side of a patch in pixels.
        width: length of a token.
        depth: number of blocks.
        heads: of the attention.
        dim: length of what comes out.
        quick_gelu: OpenAI's weights need it; PaddleClas' and most of open_clip's do not.
    """

    size: int = 224
    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    dim: int = 512
    quick_gelu: bool = True


BASE_16 = ImageTower()
LARGE_14 = ImageTower(patch=14, width=1024, depth=24, heads=16, dim=768)


class _PatchEmbed(nn.Layer):
    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2D(3, width, patch, stride=patch, bias_attr=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose([0, 2, 1])


class ClipViT(nn.Layer):
    """Pictures in, vectors out, before any neck.

    Args:
        tower: its size.
        pooling: "class" takes the class token, as CLIP does; "patches" and "tokens" average
            those without and with the class token, as PP-ShiTuV2's base and large network do.
    """

    training_only = ("head.",)  # PaddleClas' ImageNet classifier

    def __init__(self, tower: ImageTower, pooling: Pooling = "class") -> None:
        super().__init__()
        patches = (tower.size // tower.patch) ** 2
        self.patch_embed = _PatchEmbed(tower.patch, tower.width)
        self.cls_token = self._parameter([1, 1, tower.width])
        self.pos_embed = self._parameter([1, patches + 1, tower.width])
        self.ln_pre = nn.LayerNorm(tower.width)
        self.blocks = nn.LayerList(
            Block(tower.width, tower.heads, quick_gelu=tower.quick_gelu) for _ in range(tower.depth)
        )
        self.norm = nn.LayerNorm(tower.width)
        self.proj = self._parameter([tower.width, tower.dim])
        self.pooling = pooling

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, size, size) -> (n, dim)."""
        patches = self.patch_embed(x)
        first = self.cls_token.expand([paddle.shape(patches)[0], -1, -1])
        tokens = self.ln_pre(paddle.concat([first, patches], axis=1) + self.pos_embed)
        for block in self.blocks:
            tokens = block(tokens)
        # The projection is linear: projecting the mean equals the mean of the projections.
        if self.pooling == "class":
            return self.norm(tokens[:, 0]).matmul(self.proj)
        kept = tokens[:, 1:] if self.pooling == "patches" else tokens
        return self.norm(kept).mean(axis=1).matmul(self.proj)

    def _parameter(self, shape: list[int]) -> Tensor:
        normal = nn.initializer.TruncatedNormal(std=_INIT_STD)
        return self.create_parameter(shape, default_initializer=normal)


class FCNeck(nn.Layer):
    """The linear neck of PP-ShiTuV2's CLIP networks."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(n, dim) -> (n, dim)."""
        return self.fc(x)


class ClipRecognition(nn.Layer):
    """Upstream's RecModel over an image tower: crops in, embeddings out."""

    training_only = ("head.",)  # ArcMargin's 192,613 classes

    def __init__(self, tower: ImageTower, pooling: Pooling) -> None:
        super().__init__()
        self.backbone = ClipViT(replace(tower, quick_gelu=False), pooling)
        self.neck = FCNeck(tower.dim)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, size, size) -> (n, dim)."""
        return self.neck(self.backbone(x))


def clip_vit_base_shitu() -> ClipRecognition:
    """The network of upstream's GeneralRecognitionV2_CLIP_vit_base configuration: 512-d."""
    return ClipRecognition(BASE_16, "patches")


def clip_vit_large_shitu() -> ClipRecognition:
    """The network of upstream's GeneralRecognitionV2_CLIP_vit_large: 512-d, too, unlike CLIP's."""
    return ClipRecognition(replace(LARGE_14, dim=512), "tokens")
