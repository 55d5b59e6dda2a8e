"""The transformer that CLIP's towers share; names of parameters as PaddleClas'."""

# mypy: allow-subclassing-any

from __future__ import annotations

from shitu.nets._paddle import F, Tensor, nn

_QUICK = 1.702  # the slope with which OpenAI approximated GELU
_MLP_RATIO = 4


class QuickGELU(nn.Layer):
    """GELU as OpenAI's CLIP approximates it; weights trained with it need it."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> same shape."""
        return x * F.sigmoid(_QUICK * x)


class Attention(nn.Layer):
    """Multi-head self-attention (Vaswani et al. 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.heads = heads

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, tokens, width) -> same shape; `mask` (tokens, tokens) is added to the logits."""
        _, tokens, width = x.shape
        depth = width // self.heads
        qkv = self.qkv(x).reshape([-1, tokens, 3, self.heads, depth]).transpose([2, 0, 3, 1, 4])
        logits = (qkv[0] * depth**-0.5).matmul(qkv[1], transpose_y=True)
        weights = F.softmax(logits if mask is None else logits + mask, axis=-1)
        mixed = weights.matmul(qkv[2]).transpose([0, 2, 1, 3])
        return self.proj(mixed.reshape([-1, tokens, width]))


class MLP(nn.Layer):
    """Two linear layers with an activation between them."""

    def __init__(self, width: int, act: nn.Layer) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, _MLP_RATIO * width)
        self.act = act
        self.fc2 = nn.Linear(_MLP_RATIO * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n, tokens, width) -> same shape."""
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Layer):
    """Attention and MLP, each on normalised input and added to what came in."""

    def __init__(self, width: int, heads: int, *, quick_gelu: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width, QuickGELU() if quick_gelu else nn.GELU())

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, tokens, width) -> same shape."""
        x = x + self.attn(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))
