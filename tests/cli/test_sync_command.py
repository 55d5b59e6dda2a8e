"""`shitu sync`, as a person and as a script see it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


def test_a_dry_run_lists_and_a_sync_does(run: Run, shop: Path, labels: list[str]) -> None:
    photos, index = shop / "photos", shop / "index"
    (photos / labels[0]).rename(photos / "Renamed")
    next((photos / labels[1]).iterdir()).unlink()
    arguments = ["sync", photos, "--index", index]
    planned = run(*arguments, "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert "Renamed" in planned.stdout
    assert "relabelled" in planned.stdout
    assert "Nothing was written." in planned.stdout
    assert "Renamed" not in run("list-items", "--index", index).stdout
    done = json.loads(run(*arguments, "--json").stdout)
    assert (len(done["moved"]), len(done["removed"]), done["dry_run"]) == (5, 1, False)
    assert "Renamed" in run("list-items", "--index", index).stdout
    assert "0 new" not in run(*arguments).stdout


def test_an_unmounted_disk_costs_nothing(run: Run, shop: Path, labels: list[str]) -> None:
    for label in labels[:3]:
        shutil.rmtree(shop / "photos" / label)
    arguments = ["sync", shop / "photos", "--index", shop / "index"]
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    assert "--force" in run(*arguments, "--dry-run").stderr
    assert run(*arguments, "--force").exit_code == 0
    listed = run("list-items", "--index", shop / "index", "--json").stdout.splitlines()
    assert [json.loads(line)["label"] for line in listed] == [labels[3]]


def test_watch_and_dry_run_exclude_each_other(run: Run, shop: Path) -> None:
    assert run("sync", shop / "photos", "--dry-run", "--watch", "1").exit_code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watching_follows_until_it_is_told_to_end(
    shop: Path, labels: list[str], number: signal.Signals
) -> None:
    photos = shop / "photos"
    command = [sys.executable, "-m", "shitu", "sync", str(photos), "--watch", "0.2"]
    with subprocess.Popen(
        [*command, "--index", str(shop / "index")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # Tests that run in the background of a shell inherit that Ctrl-C is not to be heard.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as watching:
        assert watching.stdout is not None
        assert "unchanged" in watching.stdout.readline()
        (photos / labels[0]).rename(photos / "Renamed")
        assert "5 moved, 5 relabelled" in watching.stdout.readline()
        time.sleep(0.3)  # rounds without a change print nothing
        watching.send_signal(number)
        out, err = watching.communicate(timeout=20)
    assert watching.returncode == 0, err
    assert out == ""
    assert err == "Stopped watching. What was committed is kept.\n"
