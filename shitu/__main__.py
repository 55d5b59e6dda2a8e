"""The program `shitu`, which is `python -m shitu`, too."""

from __future__ import annotations

import gc
import signal
import sys
from types import FrameType

_SELDOM = 20_000  # new objects between two looks for garbage; usually 700
_SOON = 0.02  # seconds


def run() -> None:
    """Run the command line, and end the process.

    A command lives for about a second and makes its objects, modules most of all, to keep them:
    looking for garbage among them would take a tenth of its start.
    """
    gc.set_threshold(_SELDOM)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not in the background
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGALRM, interrupt)
    try:
        from shitu.cli import main

        main(prog_name="shitu")
    except KeyboardInterrupt:  # before any command began
        sys.exit(130)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # a late one would find no handler
        gc.freeze()  # what is left goes with the process, unlooked at


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; amid an import as soon as that is done.

    It would leave half a module, or an ImportError that nobody can tell from a missing one, or
    the lock of all imports, for which the threads that load networks wait for ever.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.setitimer(signal.ITIMER_REAL, _SOON)
            return
        frame = frame.f_back
    raise KeyboardInterrupt


if __name__ == "__main__":
    run()
