"""Writers killed at random; `scripts/kill_test` does the same for as long as one likes."""

from __future__ import annotations

import os
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from forker import Forker, Outcome
from killing import DEEDS, Deed, Killer

KILLS = int(os.environ.get("SHITU_TEST_RANDOM_KILLS", str(2 * len(DEEDS))))


@pytest.mark.parametrize("kind", ["flat", "ivf-sq8"])
def test_nothing_is_lost_by_any_kill(forker: Forker, place: Path, kind: str) -> None:
    seed = random.randrange(1 << 30)
    lost = [kill for kill in Killer(place, forker, kind=kind).run(KILLS, seed) if kill.why]
    assert lost == [], f"seed {seed}"


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM thumbnails", "has no thumbnail"),
        ("DELETE FROM item_references WHERE reference_id = 1", "not what it was without a kill"),
        ("UPDATE meta SET value = '1' WHERE key = 'generation'", "not what it was without a kill"),
    ],
)
def test_what_is_lost_is_noticed(forker: Forker, place: Path, statement: str, why: str) -> None:
    class Spoiling(Killer):
        def _run(self, deed: Deed, **extra: Any) -> Outcome:
            outcome = super()._run(deed, **extra)
            if outcome.code:
                connection = sqlite3.connect(self._shop / "index" / "gallery.db")
                with connection:
                    connection.execute(statement)
                connection.close()
            return outcome

    deeds = [deed for deed in DEEDS if deed.name == "relabel"]
    [kill] = Spoiling(place, forker, deeds).run(1, seed=0)
    assert why in kill.why
