"""`omniroute-ctl addon-path`: print the path of the addon script."""

import click

from omniroute.cli.base import Command
from omniroute.distribution import files


@click.command("addon-path", cls=Command)
def addon_path() -> None:
    """Print the path of the script for `mitmdump -s` and `mitmweb -s`."""
    click.echo(files.addon_path())
