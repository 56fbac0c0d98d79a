"""Background jobs of a gateway: cleanup, backups, loading of prices and of cached answers."""

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
"""Seconds between two cleanups. Expired entries are never served, even before a cleanup."""


async def run_cleanup(keeper: ConversationKeeper, most: Callable[[], int], forget: Callable[[], None]) -> None:
    """Delete expired conversations periodically, and call `forget` for other expired state."""
    while True:
        forget()
        try:
            await asyncio.wrap_future(keeper.trim(most()))
        except StoreError as error:
            log.warning("kept replies that have expired could not be taken out: %s", error)
        await asyncio.sleep(TIDY)


async def back_up(store: Store, rules: Callable[[], Settings], wall: Callable[[], float]) -> None:
    """Back up the database on schedule, and delete the oldest backups."""
    while True:
        await asyncio.sleep(TIDY)
        wanted = rules().backup
        try:
            await asyncio.to_thread(backups.scheduled, store.path, wanted.every, wanted.keep, wall())
        except StoreError as error:
            log.warning("no backup could be made: %s", error)


async def load_prices(known: asyncio.Event) -> None:
    """Load the price library in a thread, and set `known` when done."""
    try:
        await asyncio.to_thread(_load_catalog)
    finally:
        known.set()


def _load_catalog() -> None:
    pricing.load()
    for provider in PROVIDERS:
        models.known_models(provider)


def keep_answers(replays: ResponseCache, pending: WriteBehind) -> None:
    """Connect the response cache to the store: write new answers, and delete evicted ones."""

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
    """Load cached answers from the store, dropping expired ones. Until then, lookups miss."""
    since = now - rules.cache.ttl
    pending.write(lambda store: cached_answers.trim(store, since))
    if rules.cache.enabled:
        replays.load(await asyncio.to_thread(_answers, store, since), rules)


def _answers(store: Store, since: float) -> list[tuple[str, CachedAnswer]]:
    found = []
    for kept in cached_answers.load(store, since):
        with contextlib.suppress(ValueError, TypeError, KeyError):  # written by another version: a cache miss
            found.append((kept.key, unpack(kept.content)))
    return found
