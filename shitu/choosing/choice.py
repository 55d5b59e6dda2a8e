"""The choice itself: made by trials, kept in the user's cache, forgotten when anything changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from shitu.arguments import list_of
from shitu.choosing.circumstances import circumstances, key_of
from shitu.errors import ConfigError
from shitu.models.spec import ModelSpec
from shitu.runtime.cache import cache_folder, replace_file
from shitu.runtime.cpu import this_cpu
from shitu.runtime.engines import EIGHT_BITS, ENGINES, IN_EIGHT_BITS, REFERENCE

if TYPE_CHECKING:
    from shitu.choosing.trial import Task, Trial

QUICK_TO_TRY = ("onnxruntime", IN_EIGHT_BITS, "openvino", "openvino-bf16", "openvino-int8")
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
        those of the reference are looked at, and of these only such as answer alike: in 8 bits or
        in float32 is no question of how many photos there are.
        """
        good = [t for t in self.trials if not t.problem and t.start is not None and t.photo]
        long = _clearly_best({t.engine: _cost(t, float("inf")) for t in good})
        alike = [t for t in good if _exactness(t.engine) == _exactness(long)]
        return _clearly_best({t.engine: _cost(t, photos) for t in alike})

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
            return f"{chosen} answers as {REFERENCE} does, {ratio:.1f} times as fast."
        return f"no other that gives its answers is clearly faster than {chosen}."


def _clearly_best(costs: Mapping[str, float]) -> str:
    """The cheapest engine, if that is no noise; else the one that is used without a trial."""
    if not costs:
        return REFERENCE
    never = float("inf")
    own = REFERENCE
    if costs.get(IN_EIGHT_BITS, never) < _WORTH_IT * costs.get(REFERENCE, never):
        own = IN_EIGHT_BITS
    best = min(costs, key=lambda name: costs[name])
    return best if costs[best] < _WORTH_IT * costs.get(own, never) else own


def _exactness(engine: str) -> float:
    return ENGINES[engine].least_cosine


def _cost(trial: Trial, photos: float) -> float:
    start, photo = trial.start or 0.0, trial.photo or 0.0
    return photo if photos == float("inf") else start + photos * photo


def candidates(specs: Sequence[ModelSpec], names: Sequence[str] = QUICK_TO_TRY) -> list[str]:
    """Engines that are installed and read all of these models; raises ConfigError."""
    unknown = [name for name in list_of("names", names) if name not in ENGINES]
    if unknown:
        raise ConfigError(
            f"{unknown[0]!r} is no engine that can be tried: {', '.join(ENGINES)} are"
        )
    return [
        name
        for name in names
        if ENGINES[name].version is not None and all(ENGINES[name].runs(spec) for spec in specs)
    ]


def recall(specs: Sequence[ModelSpec], threads: int) -> Choice | None:
    """Return what was found out before, under the very same circumstances; costs nothing."""
    folder = cache_folder("engines")
    try:
        if folder is None or not any(folder.iterdir()):
            return None  # soon said; to find out the circumstances takes longer
        facts = circumstances(specs, threads)
        kept = json.loads((folder / f"{key_of(facts)}.json").read_bytes())
        if kept["circumstances"] != facts:
            return None
        return Choice(tuple(_trial(fields) for fields in kept["trials"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # damaged or of another version: as if it were not there


def remembered_engine(specs: Sequence[ModelSpec], threads: int, photos: float) -> str:
    """The engine for so many photos, as far as is known."""
    choice = recall(specs, threads)
    return _untried(specs) if choice is None else choice.engine(photos)


def _untried(specs: Sequence[ModelSpec]) -> str:
    """The engine where none was tried: in 8 bits where that is made for, else the reference."""
    # Sums of bytes are exact, so there is nothing to try: vectors are those that were measured.
    trained = any(EIGHT_BITS in spec.files for spec in specs) and this_cpu().has_vnni
    usual = [IN_EIGHT_BITS, REFERENCE] if trained else [REFERENCE]
    return next(iter(candidates(specs, [*usual, *ENGINES])), REFERENCE)


def worth_choosing(specs: Sequence[ModelSpec], threads: int) -> bool:
    """Whether there is a choice of packages, which was not made yet and can be kept."""
    packages = {ENGINES[name].module for name in candidates(specs)}
    if len(packages) < 2 or cache_folder("engines") is None:
        return False
    return recall(specs, threads) is None


def choose(specs: Sequence[ModelSpec], task: Task, names: Sequence[str] | None = None) -> Choice:
    """Try engines, and keep what came of it where there is a cache folder; takes seconds.

    Args:
        specs: of the models of the task.
        task: what to try them on.
        names: of the engines; None: `QUICK_TO_TRY`. What is used without a trial is tried in any
            case: others are compared with it.
    """
    from shitu.choosing.trial import try_engines

    facts = circumstances(specs, task.threads)
    wanted = QUICK_TO_TRY if names is None else list_of("names", names)
    able = candidates(specs, list(dict.fromkeys((REFERENCE, IN_EIGHT_BITS, *wanted))))
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
