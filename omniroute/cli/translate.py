"""`omniroute-ctl translate`: a request, or an answer, said in another dialect. Nothing is asked and nothing kept."""

import json
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from io import BufferedReader

import click
import orjson

from omniroute.catalog.provider import DialectName
from omniroute.cli.base import Command, State, clean
from omniroute.cli.options import dialect
from omniroute.cli.output import note, show_json
from omniroute.dialects import hub
from omniroute.dialects.ir import Body
from omniroute.dialects.registry import DIALECTS
from omniroute.routing.failure import Failure
from omniroute.routing.outcome import Failed, outcome

LARGEST = 32 * 1024 * 1024
"""Bytes of what is read whole: as much as the gateway takes of a request, unless it is told otherwise."""
PIECE = 64 * 1024
MODEL = re.compile(rb'"model(?:Version)?"\s*:\s*"([^"\\]+)"')
"""Where an answer names its model; inside of a text the quotes are escaped."""


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
        names = _names(source, target, _read(asked)) if asked else hub.NO_NAMES
        translate_answer = _stream if stream else _reply
        translate_answer(state, source, target, model, names, file)
    else:
        _request(state, source, target, model, _read(file))


def _request(state: State, source: DialectName, target: DialectName, model: str | None, raw: bytes) -> None:
    prepared = _prepare(source, target, model, raw)
    if state.as_json:
        show_json({"body": json.loads(prepared.raw), "dropped": list(prepared.dropped)})
        return
    _print(prepared.raw)
    for name in prepared.dropped:
        note(f"dropped: {name}")


def _prepare(client: DialectName, upstream: DialectName, model: str | None, raw: bytes) -> hub.Prepared:
    body = _object(raw)
    named = model or body.get("model") or ""
    if not isinstance(named, str):
        raise click.ClickException("model must be a string")
    if not named and client != upstream:
        raise click.UsageError("the request names no model: say --model NAME")
    stream = body.get("stream") is True
    return hub.prepare(
        client,
        upstream,
        raw,
        body,
        model=named,
        stream=stream,
        stream_usage=True,
        max_output=None,
        cache_breakpoints=True,
    )


def _names(source: DialectName, target: DialectName, asked: bytes) -> Mapping[str, str]:
    """Give what the upstream, whose answer is given, calls the client's tools."""
    return _prepare(target, source, "any", asked).names


def _reply(
    state: State,
    source: DialectName,
    target: DialectName,
    model: str | None,
    names: Mapping[str, str],
    file: BufferedReader,
) -> None:
    raw = _read(file)
    whole = hub.read_whole(target, source, raw, model=_model(model, raw), names=names, created=int(time.time()))
    if whole.fault is not None:
        raise click.ClickException(f"no answer: {whole.fault.message}")
    if state.as_json:
        show_json({"body": json.loads(whole.raw), "usage": asdict(whole.usage)})
    else:
        _print(whole.raw)


def _stream(
    state: State,
    source: DialectName,
    target: DialectName,
    model: str | None,
    names: Mapping[str, str],
    file: BufferedReader,
) -> None:
    """Give what a client gets, as it comes: nothing before the first content, and an error as its dialect says it."""
    chunk = file.read1(PIECE)
    stream = hub.Stream(target, source, model=_model(model, chunk), names=names, created=int(time.time()))
    said, held = [], b""
    while chunk and stream.fault is None:
        held += stream.feed(chunk)
        if stream.content and state.as_json:
            said.append(held)
        elif stream.content:
            _write(held)
        held = b"" if stream.content else held
        chunk = file.read1(PIECE)
    held += stream.finish()
    fault = stream.fault
    if fault is not None:
        held = held + stream.fail(fault) if stream.content else b""
    if state.as_json:
        text = b"".join([*said, held]).decode("utf-8", "replace")
        show_json({"stream": text, "usage": asdict(stream.usage)})
    else:
        _write(held)
    if fault is not None:
        raise click.ClickException(f"{'the answer broke off' if stream.content else 'no answer'}: {fault.message}")


def _error(state: State, source: DialectName, target: DialectName, status: int, raw: bytes) -> None:
    """Give the refusal of a single target; the name of the account is known to the gateway only."""
    fault = DIALECTS[source].read_error(status, raw)
    failure = Failure("status", f"{status} {fault.message}", status=status, fault=fault)
    refusal = outcome([Failed(source, "…", failure)], targets=1)
    body = DIALECTS[target].write_error(refusal)
    if state.as_json:
        show_json({"body": body, "status": refusal.status})
    else:
        _print(orjson.dumps(body))
        note(f"status: {refusal.status}")


def _read(file: BufferedReader) -> bytes:
    raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise click.ClickException(f"{file.name} is over {LARGEST} bytes")
    return raw


def _object(raw: bytes) -> Body:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        why = f"not JSON: {error}" if raw else "empty: a JSON object is needed"
        raise click.ClickException(f"the request is {why}") from None
    if not isinstance(body, dict):
        raise click.ClickException("the request is not a JSON object")
    return body


def _model(model: str | None, raw: bytes) -> str:
    if model is not None:
        return model
    found = MODEL.search(raw)
    return found[1].decode("utf-8", "replace") if found else ""


def _print(raw: bytes) -> None:
    """Print JSON: laid out for a person, and byte for byte as it would be sent for a program."""
    if sys.stdout.isatty():
        raw = clean(json.dumps(json.loads(raw), indent=2, ensure_ascii=False)).encode()
    click.echo(raw)


def _write(stream: bytes) -> None:
    if sys.stdout.isatty():
        click.echo(clean(stream.decode("utf-8", "replace")), nl=False)
    else:
        click.echo(stream, nl=False)
