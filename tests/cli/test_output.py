"""Streams that are full, closed, or cannot spell everything."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `shitu` is the program."""
    program = f'shitu() {{ {sys.executable} -m shitu "$@"; }}\n'
    return subprocess.run(
        ["sh", "-c", program + command],
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["list-items", "list-items --json", "config", "lint --help"])
def test_a_full_output_is_one_sentence(built: Path, command: str, unbuffered: str) -> None:
    environment = {"SHITU_INDEX": str(built / "index"), "PYTHONUNBUFFERED": unbuffered}
    done = shell(f"shitu {command} > /dev/full", **environment)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Error: the output could not be written (No space left on device): what was done until "
        "then is done; free some space, or print elsewhere"
    ]


def test_a_closed_output_is_said_before_anything_is_done(shop: Path, query: Path) -> None:
    index = shop / "index"
    done = shell(f"shitu add-item '{query}' --label new --index '{index}' >&-")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Error: stdout is closed, so nothing was done: send the output to a file."
    ]
    assert "new" not in shell(f"shitu list-items --index '{index}'").stdout


def test_a_closed_input_is_one_sentence(built: Path) -> None:
    done = shell(f"shitu recognize - --index '{built / 'index'}' <&-")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Error: stdin cannot be read (it is closed): send a picture there, or name a file."
    ]


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("command", ["list-items --where 'nothing=1'", "lint", "recognize '{}'"])
def test_nobody_listens_to_what_is_said(
    built: Path, query: Path, command: str, stderr: str
) -> None:
    ending = f"--index '{built / 'index'}'"
    heard = shell(f"shitu {command.format(query)} {ending}")
    done = shell(f"shitu {command.format(query)} {ending} {stderr}")
    assert (done.returncode, done.stdout, done.stderr) == (0, heard.stdout, "")


def test_an_error_that_nobody_hears_is_a_code(built: Path) -> None:
    missing = shell(f"shitu check --index '{built / 'nothing'}' 2>&-")
    assert (missing.returncode, missing.stdout) == (1, "")
    wrong = shell("shitu list-items --nonsense 2>&-")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_who_has_read_enough_is_not_told(built: Path) -> None:
    done = shell(f"(shitu list-items --index '{built / 'index'}'; echo $? >&2) | true")
    assert done.stderr.split()[-1] in {"0", "1"}
    assert "Error" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk", "utf-8"])
def test_json_is_json_in_any_encoding(shop: Path, query: Path, encoding: str) -> None:
    label, index = "🥛 naïve 牛奶", shop / "index"
    picture = Path(shutil.copy(query, shop / os.fsdecode(b"odd\xff.jpg")))
    added = shell(f"shitu add-item {picture.parent}/odd* --label '{label}' --index {index}")
    assert added.returncode == 0, added.stderr
    done = shell(f"shitu list-items --json --index {index}", PYTHONIOENCODING=encoding)
    items = {item["label"]: item for item in map(json.loads, done.stdout.splitlines())}
    assert items[label]["references"][0]["path"].endswith("odd\udcff.jpg")
