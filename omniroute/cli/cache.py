"""`omniroute-ctl cache …`: show and clear the response cache, without showing any content."""

import time

import click

from omniroute.cli.base import Group, State
from omniroute.cli.output import iso, local, say, show_json, table
from omniroute.config.settings import settings_of
from omniroute.store.config import rows
from omniroute.store.state import cached_answers


@click.group(cls=Group)
def cache() -> None:
    r"""Answers that are kept, and given to who asks the same again.

    \b
    omniroute-ctl cache stats
    omniroute-ctl cache clear
    omniroute-ctl settings set cache.ttl 600
    omniroute-ctl settings set cache.similar openai/text-embedding-3-small
    """


@cache.command()
@click.pass_obj
def stats(state: State) -> None:
    """Show how much is kept, and how often it was of use."""
    with state.store() as store:
        found, limits = cached_answers.stats(store), settings_of(rows.settings(store)).cache
    if state.as_json:
        show_json(
            {
                "enabled": limits.enabled,
                "shared": limits.shared,
                "entries": found.entries,
                "entries_limit": limits.entries,
                "similar": {
                    "model": limits.similar or None,
                    "similarity": limits.similarity,
                    "entries": found.similar,
                    "hits": found.similar_hits,
                },
                "bytes": found.bytes,
                "bytes_limit": limits.bytes,
                "ttl": limits.ttl,
                "oldest": iso(found.oldest) if found.oldest is not None else None,
                "hits": found.hits,
                "idempotent_repeats": found.repeats,
            }
        )
        return
    oldest = "none" if found.oldest is None else local(found.oldest)
    late = found.oldest is not None and time.time() - found.oldest > limits.ttl
    similar = f"{limits.similar}, from {limits.similarity:g} on; {found.similar:,} answers" if limits.similar else "off"
    whose = "shared by all keys" if limits.shared else "key by key"
    table(
        ["what", "value"],
        [
            ("cache", f"on, {whose}" if limits.enabled else "off"),
            ("answers", f"{found.entries:,} of {limits.entries:,}"),
            ("on the disk", f"{found.bytes:,} bytes, sealed"),
            ("given again for", f"{limits.ttl:g} s"),
            ("oldest", f"{oldest} (expired)" if late else oldest),
            ("similar requests", similar),
            ("hits", f"{found.hits:,} in all of the history"),
            ("hits of similar ones", f"{found.similar_hits:,} in all of the history"),
            ("sent twice", f"{found.repeats:,} in all of the history"),
        ],
    )


@cache.command()
@click.pass_obj
def clear(state: State) -> None:
    """Forget every answer; a running gateway does so at once."""
    with state.store() as store:
        number = cached_answers.clear(store)
    if state.as_json:
        show_json({"forgotten": number})
    else:
        say(f"Forgotten: {number}.")
