from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import logging, sys
import shitu.nets
assert "paddle" not in sys.modules, "shitu.nets imports paddle before a network is built"
import shitu.nets._paddle
root = logging.getLogger()
assert root.handlers == [] and root.level == logging.WARNING, (root.handlers, root.level)
assert "paddle" in sys.modules
"""


def test_paddle_leaves_no_trace_in_logs_and_warnings() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == ""
