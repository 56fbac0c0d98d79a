"""`omniroute-ctl`, the command line program: configure, query, inspect and run the gateway.

A command's module is imported when the command is run, so that `--help` needs nothing but click.
"""

import difflib
import os
import platform
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from omniroute import __version__
from omniroute.cli.base import Group, State, explain_error, shared_debug
from omniroute.distribution.requirements import installed

COMMANDS: dict[str, tuple[str, str]] = {
    # name: (module, summary: the first sentence of the command's own help)
    "addon-path": ("addon_path", "Print the path of the script for `mitmdump -s` and `mitmweb -s`."),
    "alias": ("alias", "Aliases: other names for models and combos."),
    "ask": ("ask", "Ask MODEL through the running gateway and show the answer as it comes."),
    "cache": ("cache", "Answers that are kept, and given to who asks the same again."),
    "budget": ("budget", "What keys may spend in a day, a week or a month."),
    "chain": ("chain", "Fallback chains: models that are asked when all that was asked for has failed."),
    "combo": ("combo", "Combos: named lists of models, tried in an order of your choice."),
    "db": ("db", "The database: exports, imports, backups and checks, while the gateway goes on serving."),
    "doctor": ("status", "Check what the gateway needs, and say what to do where it fails."),
    "ip": ("ip", "Who may come in at all, by address: for asking models and for managing alike."),
    "key": ("key", "Keys that clients show to the gateway."),
    "limits": ("limits", "What accounts may be asked: requests a minute, the gap between two, how many at once."),
    "model": ("model", "Models of your own: any id at any provider."),
    "node": ("node", "Nodes: servers of your own, such as Ollama or vLLM."),
    "password": ("password", "The password of the management pages."),
    "policy": ("policy", "Who is locked out after wrong keys or log-ins, and which breakers are open."),
    "price": ("price", "What tokens cost: as the price library says, and as you set it."),
    "provider": ("provider", "Accounts at providers."),
    "proxy": ("proxy", "Network proxies on the way to providers."),
    "responses": ("responses", "Replies that are kept so that clients of OpenAI Responses can go on from them."),
    "resilience": ("resilience", "Cool-downs, circuit breakers, and how patient the gateway is."),
    "route": ("route", "Where a request would go, and why."),
    "serve": ("serve", "Start the gateway, and mitmweb to watch it, until Ctrl-C."),
    "settings": ("settings", "Settings; they act at once."),
    "status": ("status", "Say whether the gateway runs, where, what it has, and who is held back right now."),
    "token": ("token", "Print the admin token of this data directory, which opens the management API."),
    "translate": ("translate", "Say FILE, a request in one dialect, in another, as the gateway would."),
    "usage": ("usage", "Requests, tokens and cost."),
}


class Root(Group):
    """The root command: imports commands by name, and reports all errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"{__name__}.{COMMANDS[name][0]}"), name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS)
            ctx.fail(f"no command {name!r}" + (f": did you mean {' or '.join(near)}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run one command line and exit with 0, 1 for an error, 2 for wrong usage or 130 for Ctrl-C."""
        words = list(sys.argv[1:] if args is None else args)
        sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it is for all of the run
        try:
            done = super().main(words, "omniroute-ctl", complete_var, standalone_mode=False, **extra)
        except click.Abort:
            sys.exit(130)
        except Exception as error:
            sys.exit(explain_error(error, words))
        sys.exit(done if isinstance(done, int) else 0)


def show_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    """Print the versions of the product, of Python and of mitmproxy, and exit."""
    if wanted and not ctx.resilient_parsing:
        mitmproxy = installed("mitmproxy") or "not installed"
        click.echo(f"omniroute-ctl {__version__} (Python {platform.python_version()}, mitmproxy {mitmproxy})")
        ctx.exit()


@click.group(cls=Root, params=[shared_debug()], context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Show versions."
)
@click.pass_context
def main(ctx: click.Context) -> None:
    """One local endpoint in front of every LLM provider.

    Begin with `omniroute-ctl provider add PROVIDER`, then `omniroute-ctl serve`.
    """
    ctx.ensure_object(State)
