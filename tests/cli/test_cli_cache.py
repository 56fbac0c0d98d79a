"""What `cache` shows and forgets, and which settings it takes."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from omniroute.cli import main
from omniroute.store.config import rows
from omniroute.store.db.database import Store
from omniroute.store.state import cached_answers


def run(data_dir: Path, *words: str) -> Any:
    return CliRunner().invoke(main, [*words, "--data-dir", str(data_dir)])


def test_it_counts_and_forgets(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    for number in range(3):
        cached_answers.keep(
            store, cached_answers.StoredAnswer(f"key {number}", 1000.0 + number, b"secret words", similar=number == 1)
        )
    store.close()
    shown = json.loads(run(tmp_path / "data", "cache", "stats", "--json").output)
    assert (shown["entries"], shown["enabled"], shown["shared"], shown["ttl"]) == (3, True, False, 3600)
    assert shown["bytes"] > 0
    assert shown["similar"] == {"model": None, "similarity": 0.97, "entries": 1, "hits": 0}
    assert "3 of 500" in run(tmp_path / "data", "cache", "stats").output
    assert json.loads(run(tmp_path / "data", "cache", "clear", "--json").output) == {"forgotten": 3}
    assert run(tmp_path / "data", "cache", "clear").output.strip() == "Forgotten: 0."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cache.ttl", "0"),
        ("cache.ttl", "-1"),
        ("cache.ttl", "nan"),
        ("cache.entries", "-1"),
        ("cache.entries", "many"),
        ("cache.bytes", "1e99"),
        ("cache.enabled", "perhaps"),
        ("cache.cleared", "5"),
        ("cache.similar", "a\nb"),
        ("cache.similar", "x" * 600),
        ("cache.similarity", "1.01"),
        ("cache.similarity", "-0.1"),
        ("cache.similarity", "nan"),
        ("cache.similar_timeout", "0"),
        ("cache.similar_timeout", "61"),
        ("idempotency.window", "-0.1"),
        ("idempotency.window", "86400"),
        ("idempotency.entries", "1.5"),
    ],
)
def test_nonsense_is_refused_by_name_and_changes_nothing(tmp_path: Path, name: str, value: str) -> None:
    done = CliRunner().invoke(main, ["settings", "set", "--data-dir", str(tmp_path / "data"), "--", name, value])
    assert done.exit_code == 1
    assert name in done.output
    store = Store(tmp_path / "data")
    assert not rows.settings(store)
    store.close()
