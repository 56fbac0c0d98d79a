"""`omniroute-ctl ask`: send a prompt to the running gateway, as any client does."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import click
import httpx

from omniroute.cli.base import Command, State, clean
from omniroute.cli.gateway_process import read_runtime
from omniroute.cli.output import note, show_json
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.sse import Decoder, Frame
from omniroute.dialects.upstream_errors import read_error
from omniroute.upstream.client import gateway_client

WATCH = DIALECTS["openai"].watch
CONNECT, READ = 5.0, 900.0
"""Timeouts in seconds; READ is for a gateway that hangs only, as the gateway has deadlines of its own."""


@click.command(cls=Command)
@click.argument("model")
@click.argument("prompt")
@click.option("--key", envvar="OMNIROUTE_API_KEY", help="A key of the gateway's; else $OMNIROUTE_API_KEY.")
@click.option("--system", help="What the model is told first.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="The longest answer.")
@click.pass_obj
def ask(state: State, model: str, prompt: str, key: str | None, system: str | None, max_tokens: int | None) -> None:
    """Ask MODEL through the running gateway and show the answer as it comes.

    PROMPT `-` is read from standard input.
    """
    text = sys.stdin.read() if prompt == "-" else prompt
    if not text.strip():
        raise click.UsageError("PROMPT is empty")
    runtime = read_runtime(state.data_dir)
    if runtime is None:
        raise click.ClickException("the gateway is not running: start it with `omniroute-ctl serve`")
    messages = [{"role": "system", "content": system}] if system else []
    body: dict[str, Any] = {"model": model, "messages": [*messages, {"role": "user", "content": text}], "stream": True}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    headers = {"authorization": f"Bearer {key}"} if key else {}
    said: list[str] = []
    try:
        with (
            gateway_client(runtime.url, connect=CONNECT, read=READ) as client,
            client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as response,
        ):
            for piece in filter(None, read_answer(response)):
                said.append(piece)
                if not state.as_json:
                    click.echo(clean(piece) if sys.stdout.isatty() else piece, nl=False)
    except (httpx.HTTPError, UnicodeEncodeError) as error:
        raise click.ClickException(_unreachable(error, runtime.url)) from error
    finally:
        if said and not state.as_json:
            click.echo()
    route, attempts = response.headers.get("x-omniroute-route"), response.headers.get("x-omniroute-attempts")
    if state.as_json:
        show_json({"text": "".join(said), "route": route, "attempts": attempts})
    elif route:
        note(f"[{route}{f', attempts: {attempts}' if attempts else ''}]")


def read_answer(response: httpx.Response) -> Iterator[str]:
    """Yield the text of a streamed response as it arrives.

    Raises ClickException for an error of the gateway, and for a malformed or incomplete stream.
    """
    if response.status_code != 200:
        fault = read_error(response.status_code, response.read())
        raise click.ClickException(f"{fault.message} (status {response.status_code})")
    decoder, done = Decoder(), False
    try:
        for chunk in response.iter_bytes():
            for frame in decoder.feed(chunk):
                done = done or frame.data == "[DONE]"
                if not done and frame.data:
                    yield _text(frame)
            if decoder.error:
                raise ValueError(decoder.error)
    except ValueError as error:
        raise click.ClickException(f"the answer cannot be read: {error}") from error
    if not done:
        raise click.ClickException("the answer ended too early")


def _text(frame: Frame) -> str:
    if fault := WATCH(frame).fault:  # raises ValueError unless this is an event of the dialect
        raise click.ClickException(fault.message)
    event = json.loads(frame.data)
    return "".join((choice.get("delta") or {}).get("content") or "" for choice in event.get("choices") or [])


def _unreachable(error: Exception, url: str) -> str:
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return f"the gateway does not answer at {url}: `omniroute-ctl status` says what is known of it"
        case UnicodeEncodeError() | httpx.LocalProtocolError():
            return "the key holds characters that no header can carry"
        case _:
            return f"the gateway broke off: {str(error) or type(error).__name__}"
