"""`shitu config`."""

from __future__ import annotations

from dataclasses import replace

import click

from shitu.cli._common import echo, say


@click.command("config", epilog="Example: shitu config > shitu.yaml")
@click.pass_context
def show_config(context: click.Context) -> None:
    """Print the settings in force, as YAML that `--config` reads.

    Flags win over environment variables (SHITU_INDEX, SHITU_THRESHOLD, ...), these over the
    --config file, and that over the defaults. The password of a database is left out.
    """
    from shitu.config import describe_config, load_config

    config = load_config(context.find_root().obj)
    if config.database is not None:
        from shitu.gallery.engine import without_password

        bare = without_password(config.database)
        if bare != config.database:
            say(
                "note: the password of the database is not printed: keep it in ~/.pgpass, or give "
                "the whole URL in SHITU_DATABASE"
            )
        config = replace(config, database=bare)
    echo(describe_config(config).removesuffix("\n"))
