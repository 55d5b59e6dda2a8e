"""Settings: flag > environment (`SHITU_...`) > YAML > default, every one checked and explained."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shitu.arguments import path_of
from shitu.errors import ConfigError

FEATURE_MODEL = "pplcnetv2_base_shitu"
DETECTOR_MODEL = "picodet_lcnet_mainbody"
DEFAULT_FAR = 0.01  # share of strangers that may get an answer
MOST_MATCHES = 1000  # of an object; there is a place for each, found or not
MOST_FALSE = 0.5  # the highest such share that can be asked for
LEAD = 0.15  # by which share an answer is nearer than the next item, where the score decides
PROTOTYPE_WEIGHT = 1.0  # of the mean of an item's references, beside the nearest one
INDEX_KINDS = ("auto", "flat", "ivf-sq8", "ivf-rabitq", "hnsw")
AUTO = "auto"
_TRUTH = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
ENGINES = (
    *(AUTO, "onnxruntime", "onnxruntime-int8"),
    *("openvino", "openvino-bf16", "openvino-int8"),
    *("paddle", "paddle-bf16"),
)
VERIFY = ("auto", "on", "off")


def _setting(default: Any, text: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"help": text}, repr=not secret)


@dataclass(frozen=True)
class Config:
    """Everything that can be set, with the defaults.

    Raises:
        ConfigError: a value is of the wrong type or out of range.
    """

    index: str = _setting("index", "folder of the gallery database and its vector index")
    database: str | None = _setting(
        None, "SQLAlchemy URL of the gallery, if not SQLite in `index`", secret=True
    )
    index_kind: str = _setting(
        "auto",
        "kind of vector index that build-index makes: flat compares all vectors, the others find "
        "nearly all of the nearest, fast; auto is flat up to 200,000 vectors, then ivf-sq8; one of "
        + ", ".join(INDEX_KINDS),
    )
    recall: float = _setting(
        0.99, "share of the nearest neighbours that an index which is not flat has to find"
    )
    feature_model: str | None = _setting(
        None,
        "name or folder of the feature extractor; unset, like the detector: the gallery's "
        f"own, in a new one {FEATURE_MODEL}",
    )
    detector_model: str | None = _setting(
        None,
        "name or folder of the detector, or `none` for whole pictures; in a new gallery "
        f"{DETECTOR_MODEL}",
    )
    engine: str = _setting(
        AUTO,
        "what runs the networks; auto is the fastest that answers as onnxruntime does, in 8 bits "
        "where the CPU is made for that; "
        "one of " + ", ".join(ENGINES),
    )
    threads: int = _setting(
        0,
        "threads of the engine; 0 means one per core; more than four per core (or 8) are not used",
    )
    batch_size: int = _setting(4, "crops embedded at a time")
    detection_threshold: float | None = _setting(
        None, "boxes below this score are not looked up; unset means the detector's own"
    )
    nms_threshold: float = _setting(0.6, "of two boxes with a higher IoU the weaker is dropped")
    max_objects: int = _setting(20, "at most so many objects are looked up in one picture")
    threshold: float | None = _setting(
        None, "a label below this score is `unknown`; unset means the feature extractor's own"
    )
    lead: float = _setting(
        LEAD,
        "an item that is nearer than the next one by less than this share, by the mean of its two "
        "cosines, is `unknown` where the score decides; 0: it may be a tie",
    )
    verify: str = _setting(
        "auto",
        "lay the pictures of the nearest items over the query, point by point: "
        "auto where the scores leave doubt, on always, off never",
    )
    top_k: int = _setting(5, f"items listed as matches of an object, {MOST_MATCHES} at most")
    prototype_weight: float = _setting(
        PROTOTYPE_WEIGHT,
        "how much the mean of an item's references counts beside the nearest one; 0: not at all",
    )
    log_recognitions: bool = _setting(
        False, "keep recognitions with their crops, for `shitu review`, confirm and reject"
    )

    def __post_init__(self) -> None:
        for name in _types():
            _check(name, getattr(self, name))


_PREFIX = "SHITU_"
_FLAGS = {"model": "feature_model", "detector": "detector_model"}  # as commands call them
_NO_SETTINGS = ("models", "mirror", "offline", "max_pixels")  # read where they are needed


def _between(low: float, high: float = 1.0) -> tuple[Callable[[Any], bool], str]:
    return lambda value: low <= value <= high, f"between {low:g} and {high:g}"


def _at_least(low: int, wanted: str) -> tuple[Callable[[Any], bool], str]:
    return lambda value: low <= value < float("inf"), wanted


def _one_of(names: Sequence[str]) -> tuple[Callable[[Any], bool], str]:
    return lambda value: value in names, "one of " + ", ".join(names)


_PATHS = {"index", "feature_model", "detector_model"}
_NAME = (
    lambda value: value and "\0" not in value,
    "a name, which is not empty and has no null character in it",
)
_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("index", "database", "feature_model", "detector_model"), _NAME),
    **dict.fromkeys(("detection_threshold", "nms_threshold", "lead"), _between(0.0)),
    **dict.fromkeys(("batch_size", "max_objects"), _at_least(1, "at least 1")),
    "threshold": _between(-1.0),
    "top_k": _between(1, MOST_MATCHES),
    "prototype_weight": _at_least(0, "a number, 0 or more"),
    "recall": (lambda value: 0 < value <= 1, "above 0 and at most 1"),
    "index_kind": _one_of(INDEX_KINDS),
    "verify": _one_of(VERIFY),
    "threads": _at_least(0, "0 or more"),
    "engine": _one_of(ENGINES),
}


def _check(name: str, value: object, place: str = "") -> None:
    """Raise ConfigError for a value that is not one of this setting; `place` begins with " in"."""
    _check_type(name, value, _types()[name])
    good, wanted = _RANGES.get(name, (lambda _: True, ""))
    if value is not None and not good(value):
        raise ConfigError(f"Setting {name}{place} is {value!r}; it must be {wanted}.")


def _check_type(name: str, value: object, kind: str) -> None:
    kinds = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}
    wanted = kinds[kind.split(" | ")[0]]
    empty = value is None and "None" in kind
    odd = isinstance(value, bool) and wanted != (bool,)  # which Python counts among the integers
    if not empty and (odd or not isinstance(value, wanted)):
        raise ConfigError(f"Setting {name} is {value!r}; a value of type {kind} is needed.")


def load_config(
    file: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Merge the YAML file, the environment and the overrides (those that are not None).

    An environment variable that is empty counts as unset. Others may begin with SHITU_, too, if
    they are no setting misspelt.

    Raises:
        ConfigError: unknown setting (with a suggestion), wrong type, value out of range,
            or a file that cannot be read.
    """
    environment = os.environ if environment is None else environment
    _refuse_misspelt(environment)
    values = _from_yaml(path_of("file", file)) if file is not None else {}
    for name in _types():
        text = environment.get(f"SHITU_{name.upper()}")
        if text:
            place = f"environment variable SHITU_{name.upper()}"
            values[name] = _checked(name, _convert(name, _at_home(name, text), place), place)
    for name, value in (overrides or {}).items():
        if name not in _types():
            raise ConfigError(f"Unknown setting {name!r}.{_did_you_mean(name)}")
        if value is not None:
            values[name] = _convert(name, value, "the call")
    return Config(**values)


def _refuse_misspelt(environment: Mapping[str, str]) -> None:
    """Refuse what would be left out unsaid; what a cluster sets (SHITU_PORT) is like no setting."""
    for variable, text in environment.items():
        name = variable.removeprefix(_PREFIX).lower()
        if not text or not variable.startswith(_PREFIX) or name in {*_types(), *_NO_SETTINGS}:
            continue
        known = [*_types(), *_NO_SETTINGS]
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        meant = _FLAGS.get(name) or next(iter(close), None)
        if meant is not None:
            raise ConfigError(
                f"The environment variable {variable} is no setting. Did you mean "
                f"{_PREFIX}{meant.upper()}?"
            )


def describe_config(config: Config) -> str:
    """The settings as YAML, each under a comment that explains it."""
    import yaml

    lines = []
    for item in dataclasses.fields(config):
        lines.append(f"# {item.metadata['help']}")
        text = yaml.safe_dump({item.name: getattr(config, item.name)}, allow_unicode=True)
        lines.append(text.rstrip())
    return "\n".join(lines) + "\n"


def _types() -> dict[str, str]:
    return {item.name: str(item.type) for item in dataclasses.fields(Config)}


def _from_yaml(file: Path) -> dict[str, Any]:
    from shitu.yamls import read_yaml

    try:
        content = read_yaml(file)
    except OSError as error:
        raise ConfigError(f"Cannot read the settings file {file}: {error.strerror}.") from None
    except ValueError as error:
        raise ConfigError(f"The settings file {file} is not valid YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"The settings file {file} must hold lines of the form `name: value`.")
    return {str(k): _from_yaml_value(str(k), v, file) for k, v in content.items()}


def _from_yaml_value(name: str, value: object, file: Path) -> Any:
    if name not in _types():
        raise ConfigError(f"Unknown setting {name!r} in {file}.{_did_you_mean(name)}")
    if name == "verify" and isinstance(value, bool):
        return "on" if value else "off"  # which is what those words are in YAML
    if value is None and "None" in _types()[name]:
        return None
    return _checked(name, _convert(name, _at_home(name, value), str(file)), str(file))


def _at_home(name: str, value: object) -> object:
    """Spell out `~` in a path that no shell has seen, of a file or of an `Environment=` line."""
    if name in _PATHS and isinstance(value, str):
        return os.path.expanduser(value)  # noqa: PTH111 - which leaves what is no home as it is
    return value


def _checked(name: str, value: object, place: str) -> object:
    _check(name, value, f" in {place}")
    return value


def _did_you_mean(name: str) -> str:
    close = difflib.get_close_matches(name, _types(), n=1)
    return f" Did you mean {close[0]!r}?" if close else " `shitu config` lists all settings."


def _convert(name: str, value: object, place: str) -> Any:
    kind = _types()[name].split(" | ")[0]
    try:
        if kind == "int" and not isinstance(value, bool):
            return int(str(value))
        if kind == "float" and not isinstance(value, bool):
            return float(str(value))
        if kind == "bool" and str(value).strip().lower() in _TRUTH:
            return _TRUTH[str(value).strip().lower()]
        if kind == "str" and isinstance(value, (str, os.PathLike)):
            return os.fspath(value)
    except ValueError:
        pass
    said = "no URL" if name == "database" else repr(value)  # that may hold a password
    raise ConfigError(f"Setting {name} in {place} is {said}; a value of type {kind} is needed.")
