"""`shitu config`."""

from __future__ import annotations

import click

from shitu.cli._common import echo


@click.command("config", epilog="Example: shitu config > shitu.yaml")
@click.pass_context
def show_config(context: click.Context) -> None:
    """Print the settings in force, as YAML that `--config` reads.

    Flags win over environment variables (SHITU_INDEX, SHITU_THRESHOLD, ...), these over the
    --config file, and that over the defaults.
    """
    from shitu.config import describe_config, load_config

    echo(describe_config(load_config(context.find_root().obj)).removesuffix("\n"))
