"""Time and memory of the process itself; needs nothing but Python."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds of a call, and what it returned."""
    start = time.perf_counter()
    found = call()
    return (time.perf_counter() - start) * 1000, found


def memory(name: str = "VmRSS") -> float:
    """Megabytes, of this process; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(found[0]) * 1024 / 1e6 if found else 0.0
