"""CLIP's text tower (Radford et al. 2021): words -> vectors in the space of its image tower."""

# mypy: allow-subclassing-any

from __future__ import annotations

from dataclasses import dataclass

from shitu.nets._paddle import F, Tensor, nn, paddle
from shitu.nets.transformer import Block

_HIDDEN = -1e9  # a logit whose softmax is 0 in float32


@dataclass(frozen=True)
class TextTower:
    """The size of a text tower.

    Attributes:
        context: tokens of a text, padded with 0.
        vocabulary: number of tokens; the last one ends a text.
        width: length of a token's vector.
        depth: number of blocks.
        heads: of the attention.
        dim: length of what comes out.
        quick_gelu: as in `shitu.nets.clip_vit.ImageTower`.
    """

    context: int = 77
    vocabulary: int = 49408
    width: int = 512
    depth: int = 12
    heads: int = 8
    dim: int = 512
    quick_gelu: bool = True


BASE = TextTower()
LARGE = TextTower(width=768, heads=12, dim=768)


class ClipText(nn.Layer):
    """Texts in, vectors out.

    Takes token ids as float32, so that the engines need to know one type of input only; ids are far
    below 2^24 and therefore exact.
    """

    def __init__(self, tower: TextTower) -> None:
        super().__init__()
        self.token_embed = nn.Embedding(tower.vocabulary, tower.width)
        self.pos_embed = self._parameter([1, tower.context, tower.width])
        self.blocks = nn.LayerList(
            Block(tower.width, tower.heads, quick_gelu=tower.quick_gelu) for _ in range(tower.depth)
        )
        self.norm = nn.LayerNorm(tower.width)
        self.proj = self._parameter([tower.width, tower.dim])
        self.context = tower.context

    def forward(self, tokens: Tensor) -> Tensor:
        """Token ids (n, context), float32 -> (n, dim)."""
        ids = tokens.astype("int64")
        x = self.token_embed(ids) + self.pos_embed
        # No token sees those that come after it.
        mask = paddle.triu(paddle.full([self.context, self.context], _HIDDEN), diagonal=1)
        for block in self.blocks:
            x = block(x, mask)
        # The end of the text, which has the highest id, has seen all of it.
        last = F.one_hot(ids.argmax(axis=1), self.context).unsqueeze(2)
        return self.norm((x * last).sum(axis=1)).matmul(self.proj)

    def _parameter(self, shape: list[int]) -> Tensor:
        normal = nn.initializer.Normal(std=0.01)
        return self.create_parameter(shape, default_initializer=normal)
