"""What a gateway does from time to time, and once at its start, beside the traffic."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from omniroute.cache.answer import CachedAnswer, pack, unpack
from omniroute.cache.response_cache import ResponseCache
from omniroute.catalog import models, pricing
from omniroute.catalog.providers import PROVIDERS
from omniroute.config.settings import Settings
from omniroute.gateway.usage_recorder import WriteBehind
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.state import cached_answers
from omniroute.store.state.conversation_keeper import ConversationKeeper
from omniroute.store.transfer import backups

log = logging.getLogger(__name__)

TIDY = 60.0
"""Seconds between two looks for kept replies that have expired; none of these is ever served."""


async def run_cleanup(keeper: ConversationKeeper, most: Callable[[], int], forget: Callable[[], None]) -> None:
    """Forget from time to time what nobody has gone on from, and what others would forget."""
    while True:
        forget()
        try:
            await asyncio.wrap_future(keeper.trim(most()))
        except StoreError as error:
            log.warning("kept replies that have expired could not be taken out: %s", error)
        await asyncio.sleep(TIDY)


async def back_up(store: Store, rules: Callable[[], Settings], wall: Callable[[], float]) -> None:
    """Copy the database from time to time, and delete the oldest copies."""
    while True:
        await asyncio.sleep(TIDY)
        wanted = rules().backup
        try:
            await asyncio.to_thread(backups.scheduled, store.path, wanted.every, wanted.keep, wall())
        except StoreError as error:
            log.warning("no backup could be made: %s", error)


async def load_prices(known: asyncio.Event) -> None:
    """Load the price library, which takes a while."""
    try:
        await asyncio.to_thread(_load_catalog)
    finally:
        known.set()


def _load_catalog() -> None:
    pricing.load()
    for provider in PROVIDERS:
        models.known_models(provider)


def keep_answers(replays: ResponseCache, pending: WriteBehind) -> None:
    """Have kept answers written down, and those that are no longer kept taken out."""

    def save(key: str, answer: CachedAnswer) -> None:
        pending.write(
            lambda store: cached_answers.keep(
                store, cached_answers.StoredAnswer(key, answer.at, pack(answer), bool(answer.bucket))
            )
        )

    def forget(keys: list[str]) -> None:
        pending.write(lambda store: cached_answers.forget(store, keys))

    replays.saved, replays.gone = save, forget


async def restore_answers(
    replays: ResponseCache, pending: WriteBehind, store: Store, rules: Settings, now: float
) -> None:
    """Go on from the answers that were kept; until they are read, they are asked for anew."""
    since = now - rules.cache.ttl
    pending.write(lambda store: cached_answers.trim(store, since))
    if rules.cache.enabled:
        replays.load(await asyncio.to_thread(_answers, store, since), rules)


def _answers(store: Store, since: float) -> list[tuple[str, CachedAnswer]]:
    found = []
    for kept in cached_answers.load(store, since):
        with contextlib.suppress(ValueError, TypeError, KeyError):  # of another version: it is asked for anew
            found.append((kept.key, unpack(kept.content)))
    return found
