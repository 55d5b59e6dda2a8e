"""Several processes at one gallery; `scripts/concurrency_test` has more of them, for longer."""

from __future__ import annotations

import os
from pathlib import Path

from crowd import Place, run

SECONDS = float(os.environ.get("SHITU_TEST_CROWD_SECONDS", "2"))
PROCESSES = int(os.environ.get("SHITU_TEST_CROWD_PROCESSES", "3"))


def test_every_commit_is_kept_and_seen_by_all(place: Path, database: str | None) -> None:
    outcome = run(Place(place, database), PROCESSES, SECONDS)
    assert outcome.problems == []
    assert outcome.operations["add"] > 0
    assert len(outcome.seen) >= outcome.operations["add"]
    # By far less than a second, where the machine has nothing else to do.
    assert outcome.quantile(0.5) < 1
