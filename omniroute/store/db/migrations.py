"""Schema migrations: append only, applied in order.

The number of applied migrations is the database's `user_version`, which SQLite stores in the same transaction as the
migrations themselves. Migrations are plain SQL and never use the current table classes, so that they stay as they were
released. peewee's own runner is not used: it has no lock against a second process, and takes a newer database for one
of its own.
"""

from collections.abc import Callable

from peewee import SqliteDatabase

from omniroute.store.db.combo_triggers import m016_combo_slots
from omniroute.store.db.usage_bounds_migration import m017_bounded_usage
from omniroute.store.db.usage_triggers import m010_usage_slots

APPLICATION_ID = 0x6F6D6E69
"""SQLite application id ("omni"), so that a database of another program is never migrated."""

type Migration = Callable[[SqliteDatabase], None]

MIGRATIONS: list[Migration] = []
step = MIGRATIONS.append


@step
def m001_first(db: SqliteDatabase) -> None:
    for sql in (
        "create table meta (name text not null primary key, value blob not null)",
        """create table provider_connections (
            id text not null primary key, provider text not null, name text not null, secret blob,
            priority integer not null, enabled integer not null, base_url text, created_at real not null)""",
        "create unique index provider_connections_name on provider_connections (provider, name)",
        """create table provider_nodes (
            prefix text not null primary key, name text not null, dialect text not null, base_url text not null,
            created_at real not null)""",
        """create table combos (
            name text not null primary key, models text not null, strategy text not null, created_at real not null)""",
        """create table api_keys (
            id text not null primary key, name text not null, digest blob not null, hint text not null,
            allow text not null, created_at real not null, revoked_at real)""",
        "create unique index api_keys_digest on api_keys (digest)",
        # The name of a revoked key can be used again.
        "create unique index api_keys_live_name on api_keys (name) where revoked_at is null",
        "create table config_revision (id integer not null primary key check (id = 1), number integer not null)",
        "insert into config_revision (id, number) values (1, 1)",
    ):
        db.execute_sql(sql)
    for table in ("provider_connections", "provider_nodes", "combos", "api_keys"):
        for event in ("insert", "update", "delete"):
            db.execute_sql(
                f"create trigger {table}_{event} after {event} on {table} "
                "begin update config_revision set number = number + 1; end"
            )


@step
def m002_usage(db: SqliteDatabase) -> None:
    db.execute_sql(
        """create table usage_history (
            id text not null primary key, at real not null, key_id text, key_name text, account_id text,
            account_name text, provider text, model_asked text not null, model_served text, combo text,
            client_dialect text not null, upstream_dialect text, path text not null, streamed integer not null,
            status integer, error text, input integer, output integer, cache_read integer, cache_write integer,
            reasoning integer, cost real, attempts text not null, latency_ms real not null, ttft_ms real,
            overhead_ms real, dropped text not null)"""
    )
    db.execute_sql("create index usage_history_at on usage_history (at)")


@step
def m003_kept_replies(db: SqliteDatabase) -> None:
    # The expiry is in a table of its own, since each turn changes it and the rows of replies are large.
    for sql in (
        "create table kept_conversation (id text not null primary key, expires real not null, bytes integer not null)",
        "create index kept_conversation_expires on kept_conversation (expires)",
        """create table kept_reply (
            exchange text not null primary key, conversation text not null, parent text, id text not null,
            owner text not null, account text not null, native integer not null, hidden integer not null,
            at real not null, bytes integer not null, content blob not null)""",
        "create index kept_reply_id on kept_reply (id, owner)",
        "create index kept_reply_conversation on kept_reply (conversation)",
        "create index kept_reply_parent on kept_reply (parent)",
        """create table kept_item (
            number integer not null primary key, id text not null, owner text not null, exchange text not null)""",
        "create index kept_item_id on kept_item (id, owner)",
        "create index kept_item_exchange on kept_item (exchange)",
    ):
        db.execute_sql(sql)


@step
def m004_choosing(db: SqliteDatabase) -> None:
    for sql in (
        "alter table combos add column weights text not null default '{}'",
        "alter table combos add column tries text not null default '{}'",
        # `priority` was the only strategy, so it was no choice of the user: such combos use the setting for all combos.
        "update combos set strategy = '' where strategy = 'priority'",
        """create table model_aliases (
            pattern text not null primary key, target text not null, created_at real not null)""",
        """create table fallback_chains (
            name text not null primary key, models text not null, serves text not null, created_at real not null)""",
        """create table custom_models (
            provider text not null, model text not null, name text, context integer, max_output integer,
            images integer, tools integer, created_at real not null, primary key (provider, model))""",
        "create table settings (name text not null primary key, value text not null)",
        "create table blocked_providers (provider text not null primary key, created_at real not null)",
        # The state of strategies is not configuration, so it has no revision triggers.
        """create table account_uses (
            account text not null primary key, provider text not null, serial integer not null,
            streak integer not null, at real not null)""",
        """create table combo_calls (
            combo text not null, listed text not null, calls integer not null, primary key (combo, listed))""",
    ):
        db.execute_sql(sql)
    for table in ("model_aliases", "fallback_chains", "custom_models", "settings", "blocked_providers"):
        for event in ("insert", "update", "delete"):
            db.execute_sql(
                f"create trigger {table}_{event} after {event} on {table} "
                "begin update config_revision set number = number + 1; end"
            )


@step
def m005_health(db: SqliteDatabase) -> None:
    for sql in (
        """create table coolings (
            scope text not null, whose text not null, model text not null, until real not null, since real not null,
            level integer not null, cause text not null, why text not null, told integer not null,
            primary key (scope, whose, model))""",
        """create table breakers (
            scope text not null, whose text not null, failures integer not null, opened real, recovery real not null,
            primary key (scope, whose))""",
    ):
        db.execute_sql(sql)


@step
def m006_network_proxies(db: SqliteDatabase) -> None:
    db.execute_sql(
        """create table network_proxies (
            level text not null, ref text not null, url text not null, secret blob, created_at real not null,
            primary key (level, ref))"""
    )
    for event in ("insert", "update", "delete"):
        db.execute_sql(
            f"create trigger network_proxies_{event} after {event} on network_proxies "
            "begin update config_revision set number = number + 1; end"
        )
    # Settings of an object are deleted with it, so that they do not apply to a later object of the same name.
    for table, level, name in (
        ("provider_connections", "account", "id"),
        ("combos", "combo", "name"),
        ("provider_nodes", "provider", "prefix"),
    ):
        db.execute_sql(
            f"create trigger {table}_proxy after delete on {table} "
            f"begin delete from network_proxies where level = '{level}' and ref = old.{name}; end"
        )


@step
def m007_limits(db: SqliteDatabase) -> None:
    for sql in (
        "create table account_limits (account text not null primary key, rpm integer, gap real, concurrency integer)",
        # Runtime state of the gateway is not configuration, so it has no revision triggers.
        """create table limits_in_use (
            account text not null primary key, in_flight integer not null, waiting integer not null,
            minute integer not null, at real not null)""",
        """create table learned_limits (
            account text not null, model text not null, until real not null, primary key (account, model))""",
    ):
        db.execute_sql(sql)
    for event in ("insert", "update", "delete"):
        db.execute_sql(
            f"create trigger account_limits_{event} after {event} on account_limits "
            "begin update config_revision set number = number + 1; end"
        )
    db.execute_sql(
        "create trigger account_limits_gone after delete on provider_connections "
        "begin delete from account_limits where account = old.id; end"
    )
    db.execute_sql(
        "create trigger account_limits_node_gone after delete on provider_nodes "
        "begin delete from account_limits where account = 'node:' || old.prefix; end"
    )


@step
def m008_admin_sessions(db: SqliteDatabase) -> None:
    db.execute_sql(
        "create table admin_sessions "
        "(digest blob not null primary key, created_at real not null, expires_at real not null)"
    )


@step
def m009_lockouts(db: SqliteDatabase) -> None:
    # The gateway writes it for each wrong key; it is not configuration, so it has no revision trigger.
    db.execute_sql(
        """create table lockouts (
            identifier text not null primary key, failures integer not null, at real not null, until real not null,
            locked integer not null)"""
    )


step(m010_usage_slots)


@step
def m011_access(db: SqliteDatabase) -> None:
    for sql in (
        "alter table api_keys add column scopes text not null default '[\"inference\"]'",
        "alter table api_keys add column expires_at real",
        "alter table api_keys add column ips text not null default '[]'",
        "alter table api_keys add column rpm integer",
        "alter table api_keys add column concurrency integer",
        # Runtime state of the gateway is not configuration, so it has no revision trigger.
        "create table key_uses (key text not null primary key, at real not null, source text not null)",
        """create table ip_rules (
            kind text not null, network text not null, until real, reason text not null, created_at real not null,
            primary key (kind, network))""",
    ):
        db.execute_sql(sql)
    for event in ("insert", "update", "delete"):
        db.execute_sql(
            f"create trigger ip_rules_{event} after {event} on ip_rules "
            "begin update config_revision set number = number + 1; end"
        )


@step
def m012_limits_begun(db: SqliteDatabase) -> None:
    # Runtime state of the gateway is not configuration, so it has no revision trigger.
    db.execute_sql("create table limits_begun (account text not null, at real not null, primary key (account, at))")


@step
def m013_kept_answers(db: SqliteDatabase) -> None:
    # Cached answers are not configuration, so they have no revision trigger.
    db.execute_sql("create table kept_answer (key text not null primary key, at real not null, content blob not null)")
    db.execute_sql("alter table usage_history add column replayed text")


@step
def m014_budgets(db: SqliteDatabase) -> None:
    for sql in (
        """create table prices (
            provider text not null, model text not null, input real, output real, cache_read real, cache_write real,
            reasoning real, primary key (provider, model))""",
        """create table budgets (
            key text not null, period text not null, usd real not null, warn real not null,
            primary key (key, period))""",
        # The gateway writes it for cancelled exchanges; it is not configuration, so it has no revision trigger.
        """create table budget_estimates (
            exchange text not null primary key, key text not null, at real not null, usd real not null)""",
        "create index budget_estimates_at on budget_estimates (at)",
        # Settings of an object are deleted with it, so that they do not apply to a later object of the same name.
        "create trigger prices_node_gone after delete on provider_nodes "
        "begin delete from prices where provider = old.prefix; end",
        "create trigger budgets_key_gone after update of revoked_at on api_keys when new.revoked_at is not null "
        "begin delete from budgets where key = new.id; end",
    ):
        db.execute_sql(sql)
    for table in ("prices", "budgets"):
        for event in ("insert", "update", "delete"):
            db.execute_sql(
                f"create trigger {table}_{event} after {event} on {table} "
                "begin update config_revision set number = number + 1; end"
            )


@step
def m015_similar_answers(db: SqliteDatabase) -> None:
    db.execute_sql("alter table kept_answer add column similar integer not null default 0")


step(m016_combo_slots)
step(m017_bounded_usage)


@step
def m018_import_journal(db: SqliteDatabase) -> None:
    # Rows that a running import has added to the history, to be removed if its process is killed.
    for sql in (
        "create table imports (id text not null primary key, at real not null)",
        """create table import_rows (
            import text not null, tab text not null, row text not null,
            primary key (import, tab, row)) without rowid""",
    ):
        db.execute_sql(sql)
