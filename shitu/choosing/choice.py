"""The choice itself: made by trials, kept in the user's cache, forgotten when anything changes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from shitu.choosing.circumstances import circumstances, key_of
from shitu.models.spec import ModelSpec
from shitu.runtime.cache import cache_folder, replace_file
from shitu.runtime.engines import ENGINES, REFERENCE

if TYPE_CHECKING:
    from shitu.choosing.trial import Task, Trial

QUICK_TO_TRY = ("onnxruntime", "openvino", "openvino-bf16")
"""The others take seconds to start, and are tried only by those who ask."""

_WORTH_IT = 0.9  # of the reference's time: noise alone shall not change an engine


@dataclass(frozen=True)
class Choice:
    """What is known of the engines on this machine, for these models.

    Attributes:
        trials: of all that were tried.
    """

    trials: tuple[Trial, ...]

    def engine(self, photos: float = float("inf")) -> str:
        """The engine that is done first with so many photos, its start included.

        One without a start is for a process that goes on and on. Only engines whose answers are
        those of the reference are looked at.
        """
        good = [t for t in self.trials if not t.problem and t.start is not None and t.photo]
        costs = {t.engine: _cost(t, photos) for t in good}
        if not costs:
            return REFERENCE
        best = min(costs, key=lambda name: costs[name])
        own = costs.get(REFERENCE, float("inf"))
        return best if costs[best] < _WORTH_IT * own else REFERENCE

    @property
    def reason(self) -> str:
        """One sentence that says why."""
        chosen = self.engine()
        rest = [t for t in self.trials if t.engine != chosen]
        if not rest:
            return f"{chosen} is the only one that was tried."
        times = {t.engine: t.photo for t in self.trials if t.photo and not t.problem}
        if chosen != REFERENCE and REFERENCE in times:
            ratio = times[REFERENCE] / times[chosen]
            return f"{chosen} gives the answers of {REFERENCE} {ratio:.1f} times as fast."
        return f"no other that gives its answers is clearly faster than {chosen}."


def _cost(trial: Trial, photos: float) -> float:
    start, photo = trial.start or 0.0, trial.photo or 0.0
    return photo if photos == float("inf") else start + photos * photo


def candidates(specs: Sequence[ModelSpec], names: Sequence[str] = QUICK_TO_TRY) -> list[str]:
    """Engines that are installed and read all of these models."""
    return [
        name
        for name in names
        if ENGINES[name].version is not None and all(ENGINES[name].runs(spec) for spec in specs)
    ]


def recall(specs: Sequence[ModelSpec], threads: int) -> Choice | None:
    """Return what was found out before, under the very same circumstances; costs nothing."""
    facts = circumstances(specs, threads)
    folder = cache_folder("engines")
    if folder is None:
        return None
    try:
        kept = json.loads((folder / f"{key_of(facts)}.json").read_bytes())
        if kept["circumstances"] != facts:
            return None
        return Choice(tuple(_trial(fields) for fields in kept["trials"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # damaged or of another version: as if it were not there


def remembered_engine(specs: Sequence[ModelSpec], threads: int, photos: float) -> str:
    """The engine for so many photos, as far as is known: where nothing is, the reference."""
    # There is nothing to remember where there was nothing to choose from.
    choice = recall(specs, threads) if len(candidates(specs)) > 1 else None
    if choice is not None:
        return choice.engine(photos)
    able = [name for name, engine in ENGINES.items() if candidates(specs, [name])]
    return REFERENCE if REFERENCE in able or not able else able[0]


def worth_choosing(specs: Sequence[ModelSpec], threads: int) -> bool:
    """Whether there is a choice, which was not made yet and can be kept."""
    if len(candidates(specs)) < 2 or cache_folder("engines") is None:
        return False
    return recall(specs, threads) is None


def choose(specs: Sequence[ModelSpec], task: Task, names: Sequence[str] | None = None) -> Choice:
    """Try engines, and keep what came of it where there is a cache folder; takes seconds.

    Args:
        specs: of the models of the task.
        task: what to try them on.
        names: of the engines; None: `QUICK_TO_TRY`.
    """
    from shitu.choosing.trial import try_engines

    facts = circumstances(specs, task.threads)
    able = candidates(specs, QUICK_TO_TRY if names is None else names)
    choice = Choice(tuple(try_engines(able, task)))
    folder = cache_folder("engines")
    if folder is not None:
        text = {"circumstances": facts, "trials": [asdict(trial) for trial in choice.trials]}
        replace_file(folder / f"{key_of(facts)}.json", json.dumps(text, indent=1).encode())
    return choice


def _trial(fields: dict[str, Any]) -> Trial:
    from shitu.choosing.parity import Parity
    from shitu.choosing.trial import Trial

    parity = fields["parity"]
    trial = Trial(**{**fields, "parity": None if parity is None else Parity(**parity)})
    if trial.engine not in ENGINES:
        raise ValueError(trial.engine)
    return trial
