"""The feature network of PP-ShiTuV2: a backbone, a batch-normalisation neck and a training head."""

# mypy: allow-subclassing-any

from __future__ import annotations

from shitu.nets._paddle import F, Tensor, nn, paddle
from shitu.nets.layers import FusedForExport, fold_batch_norm
from shitu.nets.pplcnet_v2 import PPLCNetV2, pplcnetv2_base_shitu


class BNNeck(nn.Layer):
    """Batch normalisation of the features (Luo et al. 2019); its shift stays at 0 in training."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        frozen = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0), trainable=False)
        self.feat_bn = nn.BatchNorm1D(dim, bias_attr=frozen)

    def forward(self, x: Tensor) -> Tensor:
        """(n, dim) -> (n, dim)."""
        return self.feat_bn(x)


class FCHead(nn.Layer):
    """Linear classifier without bias; only training needs it."""

    def __init__(self, dim: int, class_num: int) -> None:
        super().__init__()
        normal = paddle.ParamAttr(initializer=nn.initializer.Normal(std=0.001))
        self.fc = nn.Linear(dim, class_num, weight_attr=normal, bias_attr=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, dim) -> logits (n, class_num)."""
        return self.fc(x)


class EmbeddingNet(FusedForExport):
    """Crops in, embeddings out, with the parameter names of upstream's RecModel.

    Args:
        backbone: maps (n, 3, h, w) to (n, dim).
        dim: length of the embedding.
        class_num: 0 leaves out the training head, whose weights upstream also ships.
        normalise: divide embeddings by their L2 norm inside the network.
    """

    training_only = ("head.",)

    def __init__(
        self, backbone: PPLCNetV2, dim: int, class_num: int = 0, normalise: bool = False
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = BNNeck(dim)
        self.head = FCHead(dim, class_num) if class_num else nn.Identity()
        self.normalise = normalise

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, dim), of unit length if `normalise`."""
        features = self.neck(self.backbone(x))
        return F.normalize(features, axis=1) if self.normalise else features

    def classify(self, features: Tensor) -> Tensor:
        """Logits (n, class_num) of embeddings (n, dim), for training."""
        return self.head(features)

    def fuse_(self) -> None:
        """Fold the neck, and the factor dropout leaves at inference, into the last convolution."""
        backbone = self.backbone
        if isinstance(self.neck, nn.Identity) or not isinstance(backbone.act, nn.Identity):
            return
        keep = 1.0 - backbone.dropout.p
        conv = backbone.last_conv
        conv.weight.set_value(conv.weight * keep)
        conv.bias.set_value(conv.bias * keep)
        backbone.last_conv = fold_batch_norm(conv, self.neck.feat_bn)
        backbone.dropout = nn.Identity()
        self.neck = nn.Identity()


def general_recognition_v2(
    dim: int = 512, class_num: int = 0, normalise: bool = False
) -> EmbeddingNet:
    """The network of upstream's GeneralRecognitionV2_PPLCNetV2_base configuration."""
    return EmbeddingNet(pplcnetv2_base_shitu(dim), dim, class_num, normalise)
