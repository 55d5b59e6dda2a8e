"""The program `shitu`, which is `python -m shitu`, too."""

from __future__ import annotations

import gc

_SELDOM = 20_000  # new objects between two looks for garbage; usually 700


def run() -> None:
    """Run the command line, and end the process.

    A command lives for about a second and makes its objects, modules most of all, to keep them:
    looking for garbage among them would take a tenth of its start.
    """
    gc.set_threshold(_SELDOM)
    from shitu.cli import main

    try:
        main(prog_name="shitu")
    finally:
        gc.freeze()  # what is left goes with the process, unlooked at


if __name__ == "__main__":
    run()
