"""`omniroute-ctl serve`: run the gateway."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape

from omniroute.cli.base import Command, State

if TYPE_CHECKING:
    from omniroute.gateway.runtime import Runtime

PORT = click.IntRange(0, 65535)


@click.command(cls=Command)
@click.option("--port", type=PORT, help="Port of the endpoint; else $PORT, else 20128. 0 takes a free one.")
@click.option("--host", help="Address to listen on; else $HOSTNAME, else 127.0.0.1. Any other needs keys.")
@click.option("--web-port", type=PORT, help="Port of mitmweb; else $OMNIROUTE_WEB_PORT, else 8081. 0 takes a free one.")
@click.option("--headless", is_flag=True, help="Without mitmweb: less memory, more requests a second.")
@click.option("--demo", is_flag=True, help="Bring two pretend providers, one that fails half of the time.")
@click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="Set an option of mitmproxy or omniroute_….")
@click.pass_obj
def serve(
    state: State,
    port: int | None,
    host: str | None,
    web_port: int | None,
    headless: bool,
    demo: bool,
    sets: tuple[str, ...],
) -> None:
    """Start the gateway, and mitmweb to watch it, until Ctrl-C."""
    import os  # imported here, as `--help` does not need them

    from mitmproxy.exceptions import OptionsError

    from omniroute import env
    from omniroute.addons.lifecycle import check_port
    from omniroute.cli.gateway_process import answers, read_runtime
    from omniroute.cli.progress import progress_line
    from omniroute.serving.run import Setup, run
    from omniroute.store.db.database import Store

    read = env.read(os.environ | {"DATA_DIR": str(state.data_dir)})
    setup = Setup(
        data_dir=state.data_dir.expanduser().absolute(),
        host=_address(host) if host else read.host,
        port=read.port if port is None else port,
        web_port=read.web_port if web_port is None else web_port,
        headless=headless,
        demo=demo,
        options=dict(_named(text) for text in sets),
    )
    with progress_line(state) as progress:
        Store(setup.data_dir, progress=progress).close()  # fail before anything has started
    try:
        check_port(setup.host, setup.port)
        if not headless:
            setup = replace(setup, web_port=setup.web_port or _free_port())
            check_port("127.0.0.1", setup.web_port)
        if (other := read_runtime(setup.data_dir)) and answers(other):
            click.echo(
                f"Another gateway runs on this data directory, at {other.url} (process {other.pid}): each of them "
                "counts limits, turns and failures for itself, and omniroute-ctl finds the one that was started last.",
                err=True,
            )
        run(setup, lambda runtime: _greet(runtime, setup.data_dir, state.as_json, demo))
    except (OSError, OptionsError, KeyError) as error:
        raise click.ClickException(str(error.args[0] if error.args else error)) from error


def _address(host: str) -> str:
    import ipaddress

    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise click.BadParameter(f"{host!r} is no IP address", param_hint="--host") from None


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
    return name, value


def _greet(runtime: "Runtime", data_dir: Path, as_json: bool, demo: bool) -> None:
    from mitmproxy import ctx

    mitmweb, panel = getattr(ctx.master, "web_url", None), f"{runtime.address}/omniroute/"
    if as_json:
        where = {"endpoint": runtime.address, "panel": panel, "mitmweb": mitmweb, "data_dir": str(data_dir)}
        click.echo(json.dumps(where))
        return
    lines = [
        ("Endpoint", f"{runtime.address}/v1"),
        ("Panel", panel),
        ("mitmweb", mitmweb or "none (headless)"),
        ("Manage", f"{runtime.address}/api, with what `omniroute-ctl token` prints"),
        ("Data", str(data_dir)),
    ]
    console = Console(highlight=False, soft_wrap=True)
    console.print("[bold]OmniRoute is ready.[/bold] Ctrl-C ends it.")
    for name, value in lines:
        console.print(f"  {name:<9} {escape(value)}")
    if runtime.limits.require_key:
        console.print("  Every request needs a key: omniroute-ctl key create NAME")
    console.print()
    console.print("Next, in another terminal:")
    console.print(f"  {escape(_next(runtime, demo))}")


def _next(runtime: "Runtime", demo: bool) -> str:
    ask = (
        f"curl {runtime.address}/v1/chat/completions -H 'content-type: application/json' "
        '-d \'{"model": "MODEL", "messages": [{"role": "user", "content": "Say hello."}]}\''
    )
    if demo:
        return ask.replace("MODEL", "demo")
    config = runtime.config
    if config.combos:
        return ask.replace("MODEL", next(iter(config.combos)))
    if config.accounts or config.nodes:
        return "omniroute-ctl provider list"
    return "omniroute-ctl provider add openai    (or anthropic, groq, …: `omniroute-ctl provider list --all`)"
