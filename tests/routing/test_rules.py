"""Settings: what each takes, and that each is read."""

import dataclasses

import pytest
from cases import every

from omniroute.config.settings import Settings, settings_of
from omniroute.config.settings_registry import SETTINGS

GOOD = {
    "strategy": ("p2c", "p2c"),
    "sticky_limit": ("7", 7),
    "affinity": ("off", False),
    "cooldowns": ("no", False),
    "cooldown_wait": ("2.5", 2.5),
    "queue.size": ("5", 5),
    "trusted_proxies": ("10.0.0.0/8, ::1", "10.0.0.0/8,::1/128"),
    "lockout.login_slow_after": ("0", 0),
    "lockout.login_lock_after": ("20", 20),
    "lockout.key_slow_after": ("1", 1),
    "lockout.key_lock_after": ("0", 0),
    "lockout.seconds": ("300", 300.0),
    "lockout.longest": ("7200", 7200.0),
    "lockout.forget": ("60", 60.0),
    "backup.every": ("0.5", 0.5),
    "backup.keep": ("3", 3),
    "combo.strategy": ("weighted", "weighted"),
    "combo.retries": ("2", 2),
    "combo.retry_delay": ("0.5", 0.5),
    "combo.hedge": ("on", True),
    "combo.resume": ("off", False),
    "combo.queue_timeout": ("0", 0.0),
    "combo.connect_timeout": ("1", 1.0),
    "combo.first_byte_timeout": ("2", 2.0),
    "combo.first_content_timeout": ("3", 3.0),
    "combo.idle_timeout": ("4", 4.0),
    "combo.total_timeout": ("0", 0.0),
    "deadlines.queue": ("0", 0.0),
    "deadlines.connect": ("1", 1.0),
    "deadlines.first_byte": ("2", 2.0),
    "deadlines.first_content": ("3", 3.0),
    "deadlines.idle": ("4", 4.0),
    "deadlines.total": ("5", 5.0),
    "deadlines.thinking": ("1.5", 1.5),
    "budget.zone": ("Europe/Berlin", "Europe/Berlin"),
    "budget.unknown": ("refuse", "refuse"),
    "cache.enabled": ("off", False),
    "cache.ttl": ("60", 60.0),
    "cache.entries": ("5", 5),
    "cache.bytes": ("1000", 1000),
    "cache.shared": ("on", True),
    "cache.similar": (" em/e5 ", "em/e5"),
    "cache.similarity": ("0.5", 0.5),
    "cache.similar_timeout": ("0.5", 0.5),
    "resume.enabled": ("on", True),
    "resume.most": ("3", 3),
    "hedge.enabled": ("on", True),
    "hedge.least": ("0.5", 0.5),
    "hedge.share": ("0.2", 0.2),
    "idempotency.window": ("0", 0.0),
    "idempotency.entries": ("5", 5),
    "idempotency.bytes": ("1000", 1000),
    "thinking.mode": ("auto", "auto"),
    "thinking.budget": ("2048", 2048),
    "thinking.effort": ("low", "low"),
    "server.header_bytes": ("8192", 8192),
    "server.header_lines": ("50", 50),
    "server.header_timeout": ("5", 5.0),
    "server.body_min_rate": ("0", 0),
    "server.body_total": ("1000000", 1_000_000),
    "server.connections": ("100", 100),
    "server.connections_per_address": ("10", 10),
    "server.idle_timeout": ("60", 60.0),
    "server.requests": ("20", 20),
    "server.json_depth": ("64", 64),
    "server.messages": ("500", 500),
    "system_prompt": ("Be brief.", "Be brief."),
}


def test_each_setting_is_tried_here() -> None:
    assert GOOD.keys() == SETTINGS.keys()


@every("name", SETTINGS)
def test_each_setting_changes_the_rules(name) -> None:
    text, value = GOOD[name]
    assert SETTINGS[name].read(text) == value
    assert settings_of({name: value}) != Settings()


@every(
    ("name", "text"),
    [
        ("strategy", "telepathy"),
        ("strategy", "priority"),
        ("combo.strategy", "p2c"),
        ("sticky_limit", "-1"),
        ("sticky_limit", "1001"),
        ("sticky_limit", "three"),
        ("sticky_limit", "²"),
        ("affinity", "perhaps"),
        ("combo.retries", "11"),
        ("combo.hedge", "sometimes"),
        ("hedge.share", "1.1"),
        ("hedge.share", "nan"),
        ("hedge.least", "0"),
        ("combo.retry_delay", "nan"),
        ("combo.retry_delay", "31"),
        ("combo.retry_delay", "-0.1"),
        ("combo.idle_timeout", "0"),
        ("combo.idle_timeout", "inf"),
        ("deadlines.queue", "-1"),
        ("deadlines.idle", "0"),
        ("deadlines.total", "86401"),
        ("deadlines.thinking", "0.5"),
        ("deadlines.thinking", "101"),
        ("queue.size", "-1"),
        ("queue.size", "1e3"),
        ("lockout.key_lock_after", "1001"),
        ("trusted_proxies", "10.0.0.0/33"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("trusted_proxies", ","),
        ("lockout.seconds", "0"),
        ("budget.zone", "Middle/Earth"),
        ("budget.zone", "../../etc/passwd"),
        ("budget.zone", ""),
        ("budget.zone", "\0"),
        ("budget.unknown", "maybe"),
    ],
)
def test_what_a_setting_does_not_take(name, text) -> None:
    with pytest.raises(ValueError, match=r"takes|is one of"):
        SETTINGS[name].read(text)


def test_a_provider_goes_before_all() -> None:
    found = settings_of({"strategy": "random", "strategy.openai": "p2c"}, frozenset({"groq"}))
    assert found.strategy_of("openai") == "p2c"
    assert found.strategy_of("anthropic") == "random"
    assert found.blocked == {"groq"}
    assert {f.name for f in dataclasses.fields(Settings)} == {
        *("strategy", "strategies", "sticky_limit", "affinity", "combo", "queue", "blocked"),
        *("resilience", "cooldowns", "cooldown_wait", "reset", "lockout", "unlocks", "deadlines", "provider_deadlines"),
        *(
            "trusted_proxies",
            "backup",
            "budget",
            "repriced",
            "thinking",
            "system_prompt",
            "server",
            "cache",
            "idempotency",
            "resume",
            "hedge",
        ),
    }
