"""Every command explains itself."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from shitu import __version__
from shitu.cli import main

COMMANDS = sorted(main.commands)


def test_the_promised_commands_are_there() -> None:
    promised = {
        "add-item",
        "build-index",
        "config",
        "eval-recall",
        "list-items",
        "recognize",
        "remove-item",
    }
    assert promised <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_describes_every_option_and_shows_an_example(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert f"Example: shitu {name}" in result.output
    undescribed = [
        option.name
        for option in main.commands[name].params
        if isinstance(option, click.Option) and not option.help
    ]
    assert not undescribed


@pytest.mark.parametrize("name", ["list-items", "recognize", "history", "review", "reject"])
def test_several_results_are_json_lines(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert "(JSON Lines)" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("set-attr", "LABEL [KEY=VALUE]..."),
        ("reject", "[ID]"),
        ("confirm", "ID"),
        ("undo", "[GENERATION]"),
    ],
)
def test_the_usage_shows_what_may_be_left_out(name: str, usage: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.output.splitlines()[0] == f"Usage: main {name} [OPTIONS] {usage}"


def test_version() -> None:
    assert __version__ in CliRunner().invoke(main, ["--version"]).output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["recognize"], "a command without its pictures"),
        (["build-index"], "a command without its gallery"),
        (["rekognize", "a.jpg"], "a command that does not exist"),
        (
            ["add-item", "a.jpg", "b.jpg", "--label", "x", "--box", "1,2,3,4"],
            "one box, two pictures",
        ),
        (["add-item", "a.jpg", "--label", "x", "--box", "1,2,3"], "three numbers are no box"),
        (["add-item", "a.jpg", "--label", "x", "--attr", "colour"], "an attribute without value"),
        (["remove-item"], "neither label nor reference"),
        (["remove-item", "x", "--reference", "1"], "both"),
        (["calibrate", "--far", "nan"], "a rate that is no number"),
        (["migrate", "--max-loss", "nan"], "a loss that is no number"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], reason: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, reason
    assert "Error" in result.output


def test_config_prints_yaml_that_config_reads(tmp_path: Path) -> None:
    first = CliRunner().invoke(main, ["config"], env={"SHITU_TOP_K": "7"})
    assert "top_k: 7" in first.output
    file = tmp_path / "shitu.yaml"
    file.write_text(first.output, encoding="utf-8")
    assert CliRunner().invoke(main, ["--config", str(file), "config"]).output == first.output


def test_the_password_of_a_database_is_not_printed() -> None:
    shop = {"SHITU_DATABASE": "postgresql://me:secret@host/shop"}
    result = CliRunner().invoke(main, ["config"], env=shop)
    assert "database: postgresql://me@host/shop\n" in result.stdout
    assert "secret" not in result.output
    assert "~/.pgpass" in result.stderr


def test_an_unknown_setting_gets_a_suggestion(tmp_path: Path) -> None:
    file = tmp_path / "shitu.yaml"
    file.write_text("treshold: 0.5\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["--config", str(file), "config"])
    assert result.exit_code == 1
    assert "Did you mean 'threshold'?" in result.output
