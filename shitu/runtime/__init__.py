"""Engines that run exported networks."""

from __future__ import annotations

import os

# ONNX Runtime reads it when it is imported. For its telemetry it would keep an id of the machine in
# the user's home, and warn where it cannot.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
