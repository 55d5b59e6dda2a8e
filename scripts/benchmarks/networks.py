"""The networks that are measured side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shitu.config import FEATURE_MODEL, Config
from shitu.errors import ConfigError, ModelError
from shitu.models.registry import find_model
from shitu.models.spec import DESCRIPTION
from shitu.workspace import Workspace


@dataclass(frozen=True)
class Network:
    """A feature model.

    Attributes:
        name: what tables call it.
        model: its name or folder, as the setting `feature_model` takes it.
        threshold: the operating point that `shitu recognize` has with it; None for a teacher, for
            which none was chosen.
    """

    name: str
    model: str
    threshold: float | None

    @property
    def teacher(self) -> bool:
        return self.threshold is None


def list_networks(models: Sequence[str], teachers: Path | None) -> list[Network]:
    """The models named (none: the one of the settings), then the teachers below a folder.

    Raises:
        ModelError: there is no such model, or no teacher in the folder.
        ConfigError: two have the same name.
    """
    config = Workspace().config
    names = dict.fromkeys(models or [config.feature_model or FEATURE_MODEL])
    found = [_model(name, config) for name in names]
    if teachers is not None:
        found += _teachers(teachers)
    most = Counter(network.name for network in found).most_common(1)
    if most[0][1] > 1:
        raise ConfigError(f"Two networks are called {most[0][0]}: measure one at a time.")
    return found


def _model(name: str, config: Config) -> Network:
    own = find_model(name, "feature").threshold
    return Network(name, name, own if config.threshold is None else config.threshold)


def _teachers(folder: Path) -> Iterator[Network]:
    folders = sorted(path.parent for path in folder.glob(f"*/{DESCRIPTION}"))
    if not folders:
        raise ModelError(
            f"No folder with a {DESCRIPTION} in {folder}: scripts/embedded/export_teachers.py "
            "writes them."
        )
    for path in folders:
        yield Network(find_model(str(path), "feature").name, str(path), None)
