"""`python -m shitu` is `shitu`."""

from __future__ import annotations

from shitu.cli import main

if __name__ == "__main__":
    main(prog_name="shitu")
