"""The policy of each table for exports and imports.

Only the columns that are listed as shown are exported; a test requires a decision for each column.
"""

from dataclasses import dataclass
from typing import Literal

type Kind = Literal["setup", "keys", "history", "state", "own"]


@dataclass(frozen=True, slots=True)
class TablePolicy:
    """Kind and exported columns of a table."""

    kind: Kind
    """`setup` is replaced by an import, and so are `keys` if they work here.

    `history` is added to. `state` is runtime state, and `own` is about this database itself: both stay unchanged.
    """
    shown: tuple[str, ...] = ()
    """Columns that an export without credentials contains."""
    hidden: tuple[str, ...] = ()
    """Columns that it does not contain."""
    sealed: bool = False
    """Whether the column `secret` holds a credential."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


POLICIES: dict[str, TablePolicy] = {
    "provider_connections": TablePolicy(
        "setup", _words("id provider name priority enabled base_url created_at"), ("secret",), sealed=True
    ),
    "provider_nodes": TablePolicy("setup", _words("prefix name dialect base_url created_at")),
    "combos": TablePolicy("setup", _words("name models strategy weights tries created_at")),
    "model_aliases": TablePolicy("setup", _words("pattern target created_at")),
    "fallback_chains": TablePolicy("setup", _words("name models serves created_at")),
    "custom_models": TablePolicy("setup", _words("provider model name context max_output images tools created_at")),
    "settings": TablePolicy("setup", _words("name value")),
    "blocked_providers": TablePolicy("setup", _words("provider created_at")),
    "network_proxies": TablePolicy("setup", _words("level ref url created_at"), ("secret",), sealed=True),
    "account_limits": TablePolicy("setup", _words("account rpm gap concurrency")),
    "prices": TablePolicy("setup", _words("provider model input output cache_read cache_write reasoning")),
    "ip_rules": TablePolicy("setup", _words("kind network until reason created_at")),
    "api_keys": TablePolicy(
        "keys",
        _words("id name allow created_at revoked_at scopes expires_at ips rpm concurrency"),
        _words("digest hint"),
    ),
    "budgets": TablePolicy("keys", _words("key period usd warn")),
    # Errors may contain parts of conversations, and paths are client input.
    "usage_history": TablePolicy(
        "history",
        _words(
            "id at key_id key_name account_id account_name provider model_asked model_served combo client_dialect "
            "upstream_dialect streamed status input output cache_read cache_write reasoning cost latency_ms ttft_ms "
            "overhead_ms replayed"
        ),
        _words("path error attempts dropped"),
    ),
    "budget_estimates": TablePolicy("state"),
    "usage_slots": TablePolicy("own"),
    "usage_latencies": TablePolicy("own"),
    "combo_slots": TablePolicy("own"),
    "imports": TablePolicy("own"),
    "import_rows": TablePolicy("own"),
    "meta": TablePolicy("own"),
    "config_revision": TablePolicy("own"),
    "account_uses": TablePolicy("state"),
    "combo_calls": TablePolicy("state"),
    "coolings": TablePolicy("state"),
    "breakers": TablePolicy("state"),
    "limits_in_use": TablePolicy("state"),
    "learned_limits": TablePolicy("state"),
    "limits_begun": TablePolicy("state"),
    "key_uses": TablePolicy("state"),
    "kept_conversation": TablePolicy("state"),
    "kept_reply": TablePolicy("state"),
    "kept_item": TablePolicy("state"),
    "kept_answer": TablePolicy("state"),
    "admin_sessions": TablePolicy("state"),
    "lockouts": TablePolicy("state"),
}

MOMENTS = ("reset", "unlocks", "cache.cleared", "repriced")
"""Settings that notify a running gateway of a command; they are neither exported nor imported."""


def of_kind(*kinds: Kind) -> list[str]:
    """Return the tables of the given kinds, in the order of `POLICIES`."""
    return [table for table, contents in POLICIES.items() if contents.kind in kinds]
