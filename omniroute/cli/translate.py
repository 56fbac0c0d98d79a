"""`omniroute-ctl translate`: translate a request or a response to another dialect, without sending or storing it."""

import json
import sys
import time
from collections.abc import Mapping
from io import BufferedReader

import click

from omniroute.catalog.provider import DialectName
from omniroute.cli.base import Command, State, clean
from omniroute.cli.common_options import dialect
from omniroute.cli.output import note, show_json
from omniroute.dialects import hub
from omniroute.gateway.translation_preview import (
    NoModel,
    StreamPreview,
    model_of,
    names_of,
    preview_error,
    preview_reply,
    preview_request,
)

LARGEST = 32 * 1024 * 1024
"""Bytes of an input read as a whole; the gateway's default limit of a request."""
PIECE = 64 * 1024


@click.command(cls=Command)
@click.option("--from", "source", type=dialect, metavar="DIALECT", required=True, help="The dialect of what is given.")
@click.option("--to", "target", type=dialect, metavar="DIALECT", required=True, help="The dialect of what is printed.")
@click.option("--reply", is_flag=True, help="FILE is a whole answer.")
@click.option("--stream", is_flag=True, help="FILE is a streamed answer: events, or Gemini's array.")
@click.option("--error", type=click.IntRange(400, 599), metavar="STATUS", help="FILE is the body of such a refusal.")
@click.option(
    "--asked", type=click.File("rb"), metavar="FILE", help="The request that is answered, in the client's words."
)
@click.option("--model", metavar="NAME", help="The model that is named; else the one that FILE names.")
@click.argument("file", type=click.File("rb"), default="-")
@click.pass_obj
def translate(
    state: State,
    source: DialectName,
    target: DialectName,
    reply: bool,
    stream: bool,
    error: int | None,
    asked: BufferedReader | None,
    model: str | None,
    file: BufferedReader,
) -> None:
    """Say FILE, a request in one dialect, in another, as the gateway would.

    Without FILE, or with `-`, standard input is read. What cannot be said in the other dialect is listed on standard
    error. With --asked an answer's tools get the names back that the client gave them.
    """
    if reply + stream + (error is not None) > 1:
        raise click.UsageError("--reply, --stream and --error are different things: choose one")
    if asked is not None and not (reply or stream):
        raise click.UsageError("--asked belongs to --reply or --stream")
    if error is not None:
        _error(state, source, target, error, _read(file))
    elif reply or stream:
        names = names_of(source, target, _read(asked)) if asked else hub.NO_NAMES
        translate_answer = _stream if stream else _reply
        translate_answer(state, source, target, model, names, file)
    else:
        _request(state, source, target, model, _read(file))


def _request(state: State, source: DialectName, target: DialectName, model: str | None, raw: bytes) -> None:
    try:
        said = preview_request(source, target, raw, model=model)
    except NoModel as error:
        raise click.UsageError(f"{error}: say --model NAME") from None
    if state.as_json:
        show_json({"body": json.loads(said.raw), "dropped": list(said.dropped)})
        return
    _print(said.raw)
    for name in said.dropped:
        note(f"dropped: {name}")


def _reply(
    state: State,
    source: DialectName,
    target: DialectName,
    model: str | None,
    names: Mapping[str, str],
    file: BufferedReader,
) -> None:
    said = preview_reply(source, target, _read(file), model=model, names=names, created=int(time.time()))
    if said.fault is not None:
        raise click.ClickException(f"no answer: {said.fault.message}")
    if state.as_json:
        show_json({"body": json.loads(said.raw), "usage": said.usage and said.usage.counts()})
    else:
        _print(said.raw)


def _stream(
    state: State,
    source: DialectName,
    target: DialectName,
    model: str | None,
    names: Mapping[str, str],
    file: BufferedReader,
) -> None:
    """Translate a streamed response chunk by chunk and print it as a client would receive it."""
    chunk = file.read1(PIECE)
    saying = StreamPreview(source, target, model=model_of(chunk, model), names=names, created=int(time.time()))
    kept: list[bytes] = []
    out = kept.append if state.as_json else _write
    while chunk and saying.fault is None:
        out(saying.feed(chunk))
        chunk = file.read1(PIECE)
    out(saying.finish())
    if state.as_json:
        show_json({"stream": b"".join(kept).decode("utf-8", "replace"), "usage": saying.usage.counts()})
    if saying.fault is not None:
        raise click.ClickException(f"{'the answer broke off' if saying.began else 'no answer'}: {saying.fault.message}")


def _error(state: State, source: DialectName, target: DialectName, status: int, raw: bytes) -> None:
    said = preview_error(source, target, raw, status)
    if state.as_json:
        show_json({"body": json.loads(said.raw), "status": said.status})
    else:
        _print(said.raw)
        note(f"status: {said.status}")


def _read(file: BufferedReader) -> bytes:
    raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise click.ClickException(f"{file.name} is over {LARGEST} bytes")
    return raw


def _print(raw: bytes) -> None:
    """Print JSON, indented on a terminal, and byte for byte as it would be sent elsewhere."""
    if sys.stdout.isatty():
        raw = clean(json.dumps(json.loads(raw), indent=2, ensure_ascii=False)).encode()
    click.echo(raw)


def _write(stream: bytes) -> None:
    if sys.stdout.isatty():
        click.echo(clean(stream.decode("utf-8", "replace")), nl=False)
    else:
        click.echo(stream, nl=False)
