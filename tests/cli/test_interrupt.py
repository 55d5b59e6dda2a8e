"""Ctrl-C amid an import waits until that is done: half a module and its lock would stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import signal, sys, time
from shitu import __main__ as program

for number in (signal.SIGINT, signal.SIGALRM):
    signal.signal(number, program.interrupt)
try:
    {act}
    time.sleep(30)
except KeyboardInterrupt:
    print("interrupted", getattr(sys.modules.get("slow"), "whole", False))
"""
_SLOW = """
import os, signal
os.kill(os.getpid(), signal.SIGINT)
for _ in range(1000):
    pass
whole = True
"""


@pytest.mark.parametrize(
    ("act", "said"),
    [("import slow", "interrupted True"), ("signal.raise_signal(2)", "interrupted False")],
)
def test_an_import_is_whole_or_not_begun(tmp_path: Path, act: str, said: str) -> None:
    (tmp_path / "slow.py").write_text(_SLOW)
    (tmp_path / "program.py").write_text(_PROGRAM.format(act=act))
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py"], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == (said, "")


_EARLY = """
import os, signal, sys
from shitu.__main__ import run

class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == "shitu.cli._common":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Pressed())
sys.argv[1:] = ["--help"]
run()
"""


def test_the_program_ends_without_a_word_before_it_began() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _EARLY], capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1, 130}  # 0: it was done sooner
    assert "Traceback" not in done.stderr
