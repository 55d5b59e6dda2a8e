"""Settings: precedence, types, ranges, and what is said about a bad one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shitu.config import Config, describe_config, load_config
from shitu.errors import ConfigError


def yaml_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "shitu.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("yaml", "environment", "overrides", "wanted", "why"),
    [
        (None, {}, {}, 5, "default"),
        ("top_k: 2", {}, {}, 2, "YAML beats the default"),
        ("top_k: 2", {"SHITU_TOP_K": "3"}, {}, 3, "environment beats YAML"),
        ("top_k: 2", {"SHITU_TOP_K": "3"}, {"top_k": 4}, 4, "a flag beats the environment"),
        (None, {"SHITU_TOP_K": "3"}, {"top_k": None}, 3, "a flag that is not given says nothing"),
        ("top_k: 2", {"SHITU_TOP_K": ""}, {}, 2, "an empty variable says nothing"),
        ("", {}, {}, 5, "an empty file says nothing"),
        ("# only a comment", {}, {}, 5, "a comment says nothing"),
        ('top_k: "7"', {}, {}, 7, "a number in quotes is still a number"),
        (None, {"top_k": "9"}, {}, 5, "variables need the prefix"),
    ],
)
def test_precedence(
    tmp_path: Path,
    yaml: str | None,
    environment: dict[str, str],
    overrides: dict[str, Any],
    wanted: int,
    why: str,
) -> None:
    file = None if yaml is None else yaml_file(tmp_path, yaml)
    assert load_config(file, overrides, environment).top_k == wanted, why


def test_the_process_environment_is_used_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHITU_ENGINE", "paddle")
    assert load_config().engine == "paddle"
    assert load_config(environment={}).engine == "auto"


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Config)])
def test_every_setting_can_come_from_each_place(tmp_path: Path, name: str) -> None:
    other: dict[str, Any] = {
        "index": "elsewhere",
        "database": "sqlite:///x.db",
        "index_kind": "hnsw",
        "recall": 0.9,
        "feature_model": "m",
        "detector_model": "none",
        "engine": "paddle",
        "threads": 3,
        "batch_size": 7,
        "detection_threshold": 0.25,
        "nms_threshold": 0.5,
        "max_objects": 6,
        "threshold": 0.75,
        "top_k": 8,
        "prototype_weight": 0.5,
        "lead": 0.1,
        "log_recognitions": True,
        "verify": "on",
    }
    value = other[name]
    assert getattr(Config(), name) != value
    file = yaml_file(tmp_path, f"{name}: {value}")
    assert getattr(load_config(file, environment={}), name) == value
    assert getattr(load_config(environment={f"SHITU_{name.upper()}": str(value)}), name) == value
    assert getattr(load_config(overrides={name: value}, environment={}), name) == value


@pytest.mark.parametrize(
    ("settings", "message", "why"),
    [
        ({"threads": -1}, "threads is -1; it must be 0 or more", "no negative thread"),
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1", "an empty batch"),
        ({"max_objects": 0}, "max_objects is 0", "nothing to look up"),
        ({"top_k": 0}, "top_k is 0; it must be between 1 and 1000", "no match to show"),
        ({"top_k": 1001}, "top_k is 1001", "more than the memory may hold"),
        ({"threshold": 1.1}, "threshold is 1.1; it must be between -1 and 1", "no cosine"),
        ({"threshold": -1.1}, "between -1 and 1", "no cosine"),
        ({"threshold": float("nan")}, "threshold is nan", "NaN compares with nothing"),
        ({"nms_threshold": -0.1}, "nms_threshold is -0.1; it must be between 0 and 1", "no IoU"),
        ({"nms_threshold": float("inf")}, "nms_threshold is inf", "no IoU"),
        ({"detection_threshold": 2.0}, "detection_threshold is 2.0", "no probability"),
        ({"engine": "tensorrt"}, "one of auto, onnxruntime", "an engine we do not have"),
        ({"index_kind": "ivf"}, "one of auto, flat, ivf-sq8, ivf-rabitq, hnsw", "no such kind"),
        ({"recall": 0.0}, "recall is 0.0; it must be above 0 and at most 1", "nothing to find"),
        ({"recall": 1.01}, "recall is 1.01", "more than all"),
        ({"lead": -0.1}, "lead is -0.1; it must be between 0 and 1", "no lead"),
        ({"prototype_weight": -1.0}, "prototype_weight is -1.0; it must be a number", "no weight"),
        ({"prototype_weight": float("inf")}, "prototype_weight is inf", "no number"),
        ({"prototype_weight": float("nan")}, "prototype_weight is nan", "NaN is no number"),
        ({"verify": "maybe"}, "verify is 'maybe'; it must be one of auto, on, off", "a mode"),
        ({"threads": "two"}, "threads is 'two'; a value of type int", "text for a number"),
        ({"threads": 1.5}, "threads is 1.5; a value of type int", "a fraction for a count"),
        ({"threads": True}, "threads is True", "true is not 1"),
        ({"threshold": False}, "threshold is False", "false is not 0"),
        ({"threshold": "high"}, "threshold is 'high'", "text for a number"),
        ({"threads": None}, "threads is None", "only some settings can be unset"),
        ({"log_recognitions": 1}, "log_recognitions is 1; a value of type bool", "1 is not true"),
        ({"index": 3}, "index is 3; a value of type str", "a number for a name"),
        ({"index": "a\0"}, "has no null character in it", "no folder is called so"),
        ({"index": ""}, "index is ''; it must be a name, which is not empty", "the current folder"),
        ({"database": ""}, "database is ''; it must be a name", "unset is None"),
        ({"feature_model": ""}, "feature_model is ''; it must be a name", "unset is None"),
        ({"detector_model": ""}, "detector_model is ''; it must be a name", "none is `none`"),
    ],
)
def test_bad_values_are_refused(settings: dict[str, Any], message: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(**settings)
    assert message in str(caught.value), why


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"threshold": -1.0}, "trust everything"),
        ({"threshold": 1.0}, "trust equal pictures only"),
        ({"threshold": 0}, "a whole number is a number"),
        ({"detection_threshold": 0.0, "nms_threshold": 1.0}, "the ends belong to the range"),
        ({"threads": 0, "batch_size": 1, "max_objects": 1, "top_k": 1}, "least values"),
    ],
)
def test_the_ends_of_the_ranges_are_allowed(settings: dict[str, Any], why: str) -> None:
    config = Config(**settings)
    assert {name: getattr(config, name) for name in settings} == settings, why


@pytest.mark.parametrize(
    ("text", "message", "why"),
    [
        ("treshold: 0.5", "Did you mean 'threshold'?", "close to one we know"),
        ("colour: red", "`shitu config` lists all settings", "close to none"),
        ("5: 6", "Unknown setting '5'", "keys need not be text"),
        ("threads: many", "Setting threads in ", "place of the mistake"),
        ("threads: 1.5", "a value of type int is needed", "a fraction for a count"),
        ("threads: yes", "is True; a value of type int", "YAML's booleans are no numbers"),
        ("threads:", "Setting threads in ", "no value"),
        ("index: 7", "a value of type str is needed", "a number for a name"),
        ("threads: [1, 2]", "a value of type int is needed", "a list for a number"),
        (
            "top_k: 0",
            "shitu.yaml is 0; it must be between 1 and 1000",
            "ranges hold for files, too",
        ),
        ("- index", "must hold lines of the form `name: value`", "a list"),
        ("just words", "must hold lines of the form `name: value`", "text"),
        ("index: [", "is not valid YAML", "broken YAML"),
        (b"top_k: 1\nindex: \xff", "is not valid YAML: line 2 is not UTF-8", "not UTF-8"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "is not valid YAML: it is no text", "a photo"),
        (r'index: "\uD800"', r"\uD800 is half of a character", "nothing could write the name"),
        (
            "top_k: 1\nindex: flat\ntop_k: 2",
            "'top_k' is given twice; keep one of them in \"shitu.yaml\", line 3",
            "the last would count",
        ),
    ],
)
def test_bad_files_are_explained(tmp_path: Path, text: str | bytes, message: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(yaml_file(tmp_path, text), environment={})
    assert message in str(caught.value), why
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "index: shop\n\tdatabase: postgresql://m:secret@h/shop",
            r"shitu\.yaml\", line 2, column 1",
        ),
        (
            "database: {url: postgresql://m:secret@h/shop}",
            "is no URL; a value of type str is needed",
        ),
    ],
)
def test_messages_do_not_quote_what_may_hold_a_password(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(yaml_file(tmp_path, text), environment={})
    assert "secret" not in str(caught.value)


def test_the_file_is_named_in_the_message(tmp_path: Path) -> None:
    file = yaml_file(tmp_path, "treshold: 1")
    with pytest.raises(ConfigError, match=r"shitu\.yaml"):
        load_config(file, environment={})


def test_settings_that_can_be_unset_take_null(tmp_path: Path) -> None:
    config = load_config(yaml_file(tmp_path, "threshold: null\ndatabase: ~"), environment={})
    assert config.threshold is None
    assert config.database is None


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Cannot read .*none.yaml: No such file"):
        load_config(tmp_path / "none.yaml", environment={})


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("SHITU_THRESOLD", "SHITU_THRESHOLD"),
        ("SHITU_THREAD", "SHITU_THREADS"),
        ("SHITU_MODEL", "SHITU_FEATURE_MODEL"),
        ("SHITU_DETECTOR", "SHITU_DETECTOR_MODEL"),
        ("SHITU_MAX_PIXEL", "SHITU_MAX_PIXELS"),
        ("SHITU_OFLINE", "SHITU_OFFLINE"),
    ],
)
def test_a_variable_that_is_a_setting_misspelt_is_refused(variable: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"variable {variable} is no setting. .* {meant}\\?$"):
        load_config(environment={variable: "2"})
    assert load_config(environment={variable: ""}) == load_config(environment={})


@pytest.mark.parametrize(
    "variable", ["SHITU_PORT", "SHITU_SERVICE_HOST", "SHITU_MODELS", "SHITU_OFFLINE", "THRESOLD"]
)
def test_variables_of_others_are_left_alone(variable: str) -> None:
    assert load_config(environment={variable: "2"}) == load_config(environment={})


def test_a_bad_variable_is_named() -> None:
    with pytest.raises(ConfigError, match="environment variable SHITU_THREADS is 'x'"):
        load_config(environment={"SHITU_THREADS": "x"})
    with pytest.raises(ConfigError, match=r"variable SHITU_LEAD is 5\.0; it must be between"):
        load_config(environment={"SHITU_LEAD": "5"})


def test_a_file_is_a_path_or_its_name(tmp_path: Path) -> None:
    file = yaml_file(tmp_path, "top_k: 2")
    assert load_config(str(file), environment={}) == load_config(file, environment={})
    with pytest.raises(TypeError, match="file has to be a path, not int"):
        load_config(3)  # type: ignore[arg-type]


def test_an_unknown_keyword_is_explained() -> None:
    with pytest.raises(ConfigError, match=r"Unknown setting 'treshold'\. Did you mean 'threshold'"):
        load_config(overrides={"treshold": 0.5}, environment={})


def test_keywords_take_paths_and_numbers_of_numpy() -> None:
    overrides = {
        "feature_model": Path("my/model"),
        "top_k": np.int64(3),
        "threshold": np.float32(0.5),
    }
    config = load_config(overrides=overrides, environment={})
    assert (config.feature_model, config.top_k, config.threshold) == ("my/model", 3, 0.5)


@pytest.mark.parametrize(
    "config",
    [Config(), Config(index="商品 a: b", threshold=0.5, database="sqlite://", threads=2)],
)
def test_what_is_described_can_be_read_back(tmp_path: Path, config: Config) -> None:
    text = describe_config(config)
    assert load_config(yaml_file(tmp_path, text), environment={}) == config
    assert text.count("# ") == len(dataclasses.fields(Config))


def test_a_password_is_not_shown_with_the_settings() -> None:
    config = Config(database="postgresql+psycopg://shop:hushhush@host/gallery")
    assert "hushhush" not in repr(config)
    assert config != Config()


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().top_k = 3  # type: ignore[misc]


def test_a_tilde_in_a_file_or_the_environment_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "shitu.yaml"
    file.write_text("index: ~/shop\nfeature_model: ~~\n")
    config = load_config(file, environment={})
    assert (config.index, config.feature_model) == (str(tmp_path / "shop"), "~~")
    variables = {"SHITU_INDEX": "~/shop", "SHITU_DETECTOR_MODEL": "~~"}
    config = load_config(environment=variables)
    assert (config.index, config.detector_model) == (str(tmp_path / "shop"), "~~")
