"""Import paddle without the traces it leaves: a root log handler, a warning, INFO lines."""

from __future__ import annotations

import logging
import os
import warnings


def _import_quietly() -> None:
    """Import paddle, then put the root logger back as it was.

    Paddle 3.3 installs an INFO handler on the root logger, so that every other library starts to
    talk, and warns that ccache is missing, which only matters to those who compile operators.
    """
    os.environ.setdefault("GLOG_minloglevel", "2")
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No ccache found")
        # Left behind by protobuf and SWIG extensions while they are loaded.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        import paddle  # noqa: F401
    root.handlers[:] = handlers
    root.setLevel(level)


_import_quietly()

import paddle  # noqa: E402
from paddle import Tensor, nn  # noqa: E402
from paddle.nn import functional as F  # noqa: E402

__all__ = ["F", "Tensor", "nn", "paddle"]
