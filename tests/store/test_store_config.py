import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute.catalog.providers import PROVIDERS
from omniroute.config.model import Account
from omniroute.routing.resolve import quoted
from omniroute.store.config import accounts, combos, keys, nodes, rows, snapshot
from omniroute.store.config.validation import first_free
from omniroute.store.config.validation import quoted as shortened
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError

LOCAL = "http://127.0.0.1:11434/v1"
# A store shared by the examples of one test: each example leaves it as it was.
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


# accounts


def test_an_account_is_kept_as_it_was_given(store: Store) -> None:
    account = accounts.add(
        store, "groq", api_key=" gsk_abc\n", name="Work 1", priority=3, base_url="http://127.0.0.1:9/v1/"
    )
    assert account == Account(account.id, "groq", "Work 1", 3, True, "http://127.0.0.1:9/v1", account.created_at)
    assert re.fullmatch(r"[0-9a-f]{12}", account.id)
    assert snapshot.load(store).accounts == (account,)
    assert snapshot.credentials(store) == {account.id: "gsk_abc"}


def test_a_prefix_names_the_provider_too(store: Store) -> None:
    provider = next(provider for provider in PROVIDERS if provider.prefix != provider.id)
    account = accounts.add(store, provider.prefix, api_key="sk-one")
    assert account.provider == provider.id
    assert accounts.find(store, provider.prefix) == accounts.find(store, provider.id) == account


def test_names_are_made_when_none_is_given(store: Store) -> None:
    made = [accounts.add(store, "openai", api_key="sk-one").name for _ in range(3)]
    assert made == ["openai", "openai-2", "openai-3"]
    accounts.remove(store, accounts.find(store, "openai-2").id)
    assert accounts.add(store, "openai", api_key="sk-one").name == "openai-2"


@given(st.sets(st.sampled_from(["a", "a-2", "a-3", "a-4", "b"])))
def test_a_free_name_is_free(taken: set[str]) -> None:
    assert first_free("a", taken) not in taken


def test_accounts_come_by_priority_then_age(store: Store) -> None:
    for name, priority in (("a", 2), ("b", 1), ("c", 2), ("d", 1)):
        accounts.add(store, "openai", api_key="sk-one", name=name, priority=priority)
    assert [account.name for account in snapshot.load(store).accounts] == ["b", "d", "a", "c"]


def test_an_account_is_found_every_way(store: Store) -> None:
    one = accounts.add(store, "openai", api_key="sk-one", name="mine")
    two = accounts.add(store, "groq", api_key="sk-two", name="mine")
    three = accounts.add(store, "groq", api_key="sk-two", name="other")
    assert accounts.find(store, one.id) == one
    assert accounts.find(store, two.id[:4]) == two
    assert accounts.find(store, "openai") == one
    assert accounts.find(store, "other") == three


def test_who_is_meant_must_be_clear(store: Store, refuses: Callable[..., str]) -> None:
    one = accounts.add(store, "openai", api_key="sk-one", name="mine")
    two = accounts.add(store, "openai", api_key="sk-two", name="other")
    for ref in ("openai",):
        said = refuses(accounts.find, ref)
        assert f"{ref!r} means several accounts" in said
        assert one.id in said
        assert two.id in said
    assert refuses(accounts.find, "othr") == "there is no account 'othr'; did you mean 'other'?"
    assert refuses(accounts.find, "") == "there is no account ''"
    assert refuses(accounts.find, one.id[:3]).startswith(f"there is no account {one.id[:3]!r}")


def test_switching_and_removing(store: Store, refuses: Callable[..., str]) -> None:
    account = accounts.add(store, "openai", api_key="sk-one")
    accounts.set_enabled(store, account.id, False)
    assert not accounts.find(store, account.id).enabled
    accounts.set_enabled(store, account.id, True)
    assert accounts.find(store, account.id) == account
    accounts.remove(store, account.id)
    assert snapshot.credentials(store) == {}
    assert "no account with the id" in refuses(accounts.remove, account.id)
    assert "no account with the id" in refuses(accounts.set_enabled, account.id, True)


@pytest.mark.parametrize(
    ("provider", "given_", "said"),
    [
        ("opnai", {"api_key": "sk-one"}, "there is no provider 'opnai'; did you mean 'openai'"),
        ("openai", {"api_key": None}, "'openai' needs an API key"),
        ("openai", {"api_key": " \n"}, "the API key for 'openai' is empty"),
        ("openai", {"api_key": "sk-one", "name": ""}, "'' cannot be the name of an account"),
        ("openai", {"api_key": "sk-one", "name": "x" * 101}, "1 to 100 printable characters"),
        ("openai", {"api_key": "sk-one", "name": "a\nb"}, r"'a\nb' cannot be"),
        ("openai", {"api_key": "sk-one", "name": " a"}, "' a' cannot be"),
        ("openai", {"api_key": "sk-one", "name": "taken"}, "'openai' has an account named 'taken' already"),
        ("openai", {"api_key": "sk-one", "priority": -1}, "the priority -1 is out of range"),
        ("openai", {"api_key": "sk-one", "base_url": "ftp://x"}, "'ftp://x'"),
    ],
)
def test_an_account_that_cannot_be_is_refused(
    store: Store, refuses: Callable[..., str], provider: str, given_: dict[str, object], said: str
) -> None:
    accounts.add(store, "openai", api_key="sk-one", name="taken")
    assert said in refuses(accounts.add, provider, **given_)


@pytest.mark.parametrize("api_key", ["sk-secret\r\nx: y", "sk-secret word", "sk-secrét", "sk-secret" * 2000])
def test_a_bad_key_is_refused_and_not_repeated(refuses: Callable[..., str], api_key: str) -> None:
    said = refuses(accounts.add, "openai", api_key=api_key)
    assert "is not one line of printable characters" in said
    assert "sk-sec" not in said


def test_a_key_is_optional_where_none_may_be_wanted(store: Store) -> None:
    nodes.add(store, "local", "openai", LOCAL)
    accounts.add(store, "local", api_key=None)
    accounts.add(store, "openai", api_key=None, base_url="http://127.0.0.1:9/v1")
    assert snapshot.credentials(store) == {}


# nodes


def test_a_node_serves_under_its_prefix(store: Store) -> None:
    added = nodes.add(store, "my-box", "claude", "http://127.0.0.1:9/", "My box")
    assert snapshot.load(store).nodes == (added,)
    assert (added.prefix, added.name, added.base_url, added.node) == ("my-box", "My box", "http://127.0.0.1:9", True)
    assert set(added.paths) == {"claude"}


def test_a_node_goes_with_its_accounts(store: Store, refuses: Callable[..., str]) -> None:
    nodes.add(store, "local", "openai", LOCAL)
    kept = accounts.add(store, "openai", api_key="sk-one")
    accounts.add(store, "local", api_key="a")
    accounts.add(store, "local", api_key="b")
    assert nodes.remove(store, "local") == 2
    assert snapshot.load(store).accounts == (kept,)
    assert snapshot.load(store).nodes == ()
    assert refuses(nodes.remove, "local") == "there is no node 'local'"


@pytest.mark.parametrize(
    ("prefix", "dialect", "base_url", "name", "said"),
    [
        ("Local", "openai", LOCAL, None, "'Local' cannot be the prefix of a node"),
        ("", "openai", LOCAL, None, "'' cannot be the prefix"),
        ("a/b", "openai", LOCAL, None, "'a/b' cannot be the prefix"),
        ("a\n", "openai", LOCAL, None, r"'a\n' cannot be the prefix"),
        (".a", "openai", LOCAL, None, "'.a' cannot be the prefix"),
        ("x" * 33, "openai", LOCAL, None, "cannot be the prefix"),
        ("openai", "openai", LOCAL, None, "'openai' is the prefix of OpenAI"),
        ("taken", "openai", LOCAL, None, "there is a node 'taken' already"),
        ("a", "openai-chat", LOCAL, None, "'openai-chat' is no dialect: it is one of openai, responses, claude"),
        ("a", "openai", "localhost:11434", None, "'localhost:11434'"),
        ("a", "openai", LOCAL, "\x07", "cannot be the name of a node"),
    ],
)
def test_a_node_that_cannot_be_is_refused(
    store: Store, refuses: Callable[..., str], prefix: str, dialect: str, base_url: str, name: str | None, said: str
) -> None:
    nodes.add(store, "taken", "openai", LOCAL)
    assert said in refuses(nodes.add, prefix, dialect, base_url, name)


def test_no_node_can_hide_a_provider(refuses: Callable[..., str]) -> None:
    for provider in PROVIDERS:
        for prefix in {provider.prefix, provider.id}:
            assert f"{prefix!r} is the prefix of" in refuses(nodes.add, prefix, "openai", LOCAL)


# combos


def test_a_combo_is_kept_in_its_order(store: Store) -> None:
    nodes.add(store, "local", "openai", LOCAL)
    bare = next(model.id for provider in PROVIDERS for model in provider.models)
    models = ("openai/gpt-4o", "local/a", bare, "openrouter/meta-llama/llama-3", "openai/a-model-of-next-year")
    combo = combos.add(store, "fast/one.2_x", models)
    assert combos.find(store, "fast/one.2_x") == combo
    assert snapshot.load(store).combos == {"fast/one.2_x": combo}
    assert combo.models == models


@pytest.mark.parametrize(
    ("name", "models", "strategy", "said"),
    [
        ("", ["openai/a"], "priority", "'' cannot be the name of a combo"),
        ("a b", ["openai/a"], "priority", "'a b' cannot be the name of a combo"),
        ("a\n", ["openai/a"], "priority", "cannot be the name of a combo"),
        ("ä", ["openai/a"], "priority", "cannot be the name of a combo"),
        (".", ["openai/a"], "priority", "cannot be the name of a combo"),
        ("..", ["openai/a"], "priority", "cannot be the name of a combo"),
        ("x" * 101, ["openai/a"], "priority", "cannot be the name of a combo"),
        ("taken", ["openai/a"], "priority", "there is a combo 'taken' already"),
        ("a", [], "priority", "a combo takes 1 to 50 models, and 'a' has 0"),
        ("a", [f"openai/{n}" for n in range(51)], "priority", "'a' has 51"),
        ("a", ["openai/a", "openai/b", "openai/a"], "priority", "the combo 'a' lists 'openai/a' twice"),
        ("a", ["a"], "priority", "would lead back to itself: a → a"),
        (
            "a",
            ["opnai/a"],
            "priority",
            "the model 'opnai/a' has no known provider before its slash; did you mean 'openai'",
        ),
        ("a", ["openai/"], "priority", "the model 'openai/'"),
        ("a", ["/a"], "priority", "the model '/a'"),
        ("a", [""], "priority", "the model '' is unknown"),
        ("a", ["openai/a "], "priority", "'openai/a ' cannot be a model"),
        ("a", ["gpt-of-nobody"], "priority", "the model 'gpt-of-nobody' is unknown: say it as 'provider/model'"),
        ("a", ["openai/a"], "hope", "'hope' is no strategy: it is one of priority"),
    ],
)
def test_a_combo_that_cannot_be_is_refused(
    store: Store, refuses: Callable[..., str], name: str, models: list[str], strategy: str, said: str
) -> None:
    combos.add(store, "taken", ["openai/gpt-4o"])
    assert said in refuses(combos.add, name, models, strategy)


def test_a_combo_that_is_not_there(store: Store, refuses: Callable[..., str]) -> None:
    combos.add(store, "smart", ["openai/gpt-4o"])
    assert refuses(combos.find, "smrt") == "there is no combo 'smrt'; did you mean 'smart'?"
    assert refuses(combos.remove, "smrt") == "there is no combo 'smrt'; did you mean 'smart'?"


# keys


def test_a_key_is_shown_once_and_known_by_its_digest(store: Store) -> None:
    key, shown = keys.create(store, "laptop", ["openai/*", "cc/*", "openai/*"])
    assert re.fullmatch(r"sk-omni-[A-Za-z0-9_-]{43}", shown)
    assert (key.name, key.hint, key.allow) == ("laptop", shown[-4:], ("openai/*", "cc/*"))
    assert snapshot.load(store).keys_by_digest == {keys.digest(store, shown): key}
    assert keys.create(store, "other")[1] != shown


def test_a_revoked_key_opens_nothing_and_frees_its_name(store: Store, refuses: Callable[..., str]) -> None:
    key, shown = keys.create(store, "laptop")
    assert "there is a key named 'laptop' already" in refuses(keys.create, "laptop")
    revoked = keys.revoke(store, "laptop")
    assert (revoked.id, revoked.revoked_at is None) == (key.id, False)
    config = snapshot.load(store)
    assert (config.keys, config.revoked) == ((), (revoked,))
    assert config.keys_by_digest[keys.digest(store, shown)].revoked_at, "so that its owner can be told"
    assert rows.keys(store) == (revoked,)
    for ref in ("laptop", key.id):
        assert refuses(keys.revoke, ref) == f"there is no live key {ref!r}"
    again, _ = keys.create(store, "laptop")
    assert keys.revoke(store, again.id[:6]).id == again.id


def refusal_of(call: Callable[[], object]) -> str | None:
    try:
        call()
    except StoreError as exc:
        return str(exc)
    return None


@given(st.text(min_size=1) | st.just("\ud800"))
@SHARED
def test_any_pattern_is_kept_or_refused(store: Store, pattern: str) -> None:
    refusal = refusal_of(lambda: keys.create(store, "k", [pattern]))
    if refusal is None:
        assert keys.revoke(store, "k").allow == (pattern,)
    else:
        assert shortened(pattern) in refusal


@given(st.text() | st.just("\ud800"))
@SHARED
def test_any_name_is_kept_or_refused(store: Store, name: str) -> None:
    for add, remove in (
        (lambda: keys.create(store, name)[0].id, keys.revoke),
        (lambda: accounts.add(store, "openai", api_key="sk-one", name=name).id, accounts.remove),
        (lambda: combos.add(store, name, ["openai/a"]).name, combos.remove),
        (lambda: nodes.add(store, name, "openai", LOCAL).prefix, nodes.remove),
    ):
        refusal = refusal_of(lambda add=add, remove=remove: remove(store, add()))  # type: ignore[misc]
        assert refusal is None or any(form(name) in refusal for form in (repr, quoted, shortened))
    assert snapshot.load(store).accounts == ()


@pytest.mark.parametrize("shown", ["", "\ud800", "ä", "x" * 100_000])
def test_whatever_a_client_shows_has_a_digest(store: Store, shown: str) -> None:
    assert len(keys.digest(store, shown)) == 32
