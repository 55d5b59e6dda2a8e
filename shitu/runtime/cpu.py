"""The processor, as the operating system describes it; no engine is asked."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

_MATTERS = ("model name", "flags", "Features", "CPU implementer", "CPU part")
_A_CORE, _ANYWAY = 4, 8  # the most threads that are used: of each core, and of few cores
_HEAD = 16384  # bytes that hold all about the first core


@dataclass(frozen=True)
class Cpu:
    """The processor.

    Attributes:
        name: as it calls itself.
        features: its instruction sets, as Linux names them; empty elsewhere.
        cores: that this process may use.
    """

    name: str
    features: tuple[str, ...]
    cores: int

    @property
    def adds_bytes_exactly(self) -> bool:
        """Whether sums of products of bytes do not overflow on the way, as far as is known.

        On x86 without VNNI they are gathered in 16 bits, which a few large ones fill.
        """
        return "sse2" not in self.features or self.has_vnni

    @property
    def has_vnni(self) -> bool:
        """Whether x86's instructions for networks in 8 bits are known to be there."""
        return not {"avx512_vnni", "avx_vnni"}.isdisjoint(self.features)

    @property
    def kind(self) -> str:
        """Short, for names of files that suit such a processor only."""
        text = "\n".join((self.name, *self.features))
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def this_cpu() -> Cpu:
    """The processor of this machine; asks no engine."""
    facts = _cpuinfo()
    name = facts.get("model name") or facts.get("CPU part") or platform.processor()
    flags = facts.get("flags") or facts.get("Features") or ""
    return Cpu(name or platform.machine(), tuple(flags.split()), usable_cores())


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_for(wanted: int) -> int:
    """Threads to use where so many are wanted; 0: one per core.

    At most four per core, and eight where there are few: more bring nothing, and each takes memory.
    """
    cores = usable_cores()
    return min(wanted or cores, max(_ANYWAY, _A_CORE * cores))


def _cpuinfo() -> dict[str, str]:
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            text = file.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return {}
    first = text.split("\n\n", maxsplit=1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip() in _MATTERS}
