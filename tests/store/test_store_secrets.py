import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.store.config import accounts, keys, snapshot
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.secrets import Vault, hmac_sha256, load_or_make, stretch

Open = Callable[..., Store]
SECRET = "sk-a-secret-that-must-not-be-found"
VAULT = Vault(bytes(32))


def content(data_dir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in data_dir.iterdir() if path.is_file()}


@given(st.text(), st.text())
def test_what_is_sealed_opens_again(text: str, about: str) -> None:
    sealed = VAULT.seal(text, about)
    assert VAULT.unseal(sealed, about) == text
    assert VAULT.seal(text, about) != sealed


@given(st.binary(max_size=60))
def test_junk_does_not_open(junk: bytes) -> None:
    with pytest.raises(StoreError):
        VAULT.unseal(junk, "x")


@given(st.text(min_size=1), st.integers(0, 27))
def test_a_seal_holds(text: str, place: int) -> None:
    sealed = bytearray(VAULT.seal(text, "one"))
    with pytest.raises(StoreError, match="'two' cannot be decrypted"):
        VAULT.unseal(bytes(sealed), "two")
    sealed[place] ^= 1
    with pytest.raises(StoreError):
        VAULT.unseal(bytes(sealed), "one")


@given(st.text(st.characters()), st.text(st.characters()))
def test_different_texts_have_different_digests(one: str, two: str) -> None:
    assert (hmac_sha256(b"k", one) == hmac_sha256(b"k", two)) is (one == two)
    assert hmac_sha256(b"k", one) != hmac_sha256(b"other", one)


def test_a_password_makes_another_key_with_another_salt() -> None:
    assert len({stretch("a", b"1" * 16), stretch("a", b"2" * 16), stretch("b", b"1" * 16)}) == 3
    assert stretch("a", b"1" * 16) == stretch("a", b"1" * 16)


@pytest.mark.parametrize("password", ["", "one word", "päss\udcff", "x" * 10_000])
def test_secrets_come_back_and_are_never_in_a_file(open_store: Open, data_dir: Path, password: str) -> None:
    store = open_store(STORAGE_ENCRYPTION_KEY=password)
    account = accounts.add(store, "openai", api_key=SECRET)
    _, shown = keys.create(store, "laptop")
    for _ in range(2):  # with what is still in the write-ahead log, and after it was moved
        for data in content(data_dir).values():
            assert SECRET.encode() not in data
            assert shown.encode() not in data
            assert shown.removeprefix(keys.MARK).encode() not in data
        store.close()
    again = open_store(STORAGE_ENCRYPTION_KEY=password)
    assert snapshot.credentials(again) == {account.id: SECRET}
    assert keys.digest(again, shown) in snapshot.load(again).keys_by_digest


@pytest.mark.parametrize(("then", "now"), [("one", "two"), ("one", ""), ("", "two")])
def test_a_wrong_key_is_one_clear_error_and_changes_nothing(
    open_store: Open, data_dir: Path, then: str, now: str
) -> None:
    store = open_store(STORAGE_ENCRYPTION_KEY=then)
    account = accounts.add(store, "openai", api_key=SECRET)
    store.close()
    before = content(data_dir)
    with pytest.raises(StoreError, match=r"is not the key that the secrets in .* are encrypted with"):
        open_store(STORAGE_ENCRYPTION_KEY=now)
    assert content(data_dir) == before
    assert snapshot.credentials(open_store(STORAGE_ENCRYPTION_KEY=then)) == {account.id: SECRET}


def test_a_lost_key_file_is_not_made_anew(open_store: Open, data_dir: Path) -> None:
    open_store().close()
    key_file = data_dir / "secrets.json"
    kept = key_file.read_bytes()
    key_file.unlink()
    with pytest.raises(StoreError, match=r"secrets.json' is missing"):
        open_store()
    assert not key_file.exists()
    key_file.write_bytes(kept)
    open_store()


@pytest.mark.parametrize(
    "junk", [b"", b"[]", b"{}", b'{"storage": "AAAA", "api_keys": "AAAA"}', b"\xff", b'{"storage": 1}']
)
def test_a_damaged_key_file_is_said_and_kept(open_store: Open, data_dir: Path, junk: bytes) -> None:
    open_store().close()
    (data_dir / "secrets.json").write_bytes(junk)
    with pytest.raises(StoreError, match="is damaged; put it back from a copy"):
        open_store()
    assert (data_dir / "secrets.json").read_bytes() == junk


def test_the_key_file_is_made_once(tmp_path: Path) -> None:
    assert load_or_make(tmp_path / "a") == load_or_make(tmp_path / "a")
    assert load_or_make(tmp_path / "a") != load_or_make(tmp_path / "b")


@every("name", ["STORAGE_ENCRYPTION_KEY", "API_KEY_SECRET", "JWT_SECRET", "INITIAL_PASSWORD"])
@every(
    "value", ["omniroute-default-secret-change-me", "endpoint-proxy-api-key-secret", "123456", "CHANGEME", " 123456 "]
)
def test_secrets_that_everyone_knows_are_refused(open_store: Open, data_dir: Path, name: str, value: str) -> None:
    with pytest.raises(StoreError, match=rf"{name} is '{value}', which stands in public guides"):
        open_store(**{name: value})
    assert not data_dir.exists()


def test_a_credential_moved_to_another_account_does_not_open(store: Store) -> None:
    one = accounts.add(store, "openai", api_key=SECRET)
    two = accounts.add(store, "openai", api_key="sk-two")
    with sqlite3.connect(store.path) as db:
        db.execute(
            "update provider_connections set secret = "
            "(select secret from provider_connections where id = ?) where id = ?",
            (one.id, two.id),
        )
    db.close()
    with pytest.raises(StoreError, match=rf"account 'openai-2' \({two.id}\) cannot be decrypted"):
        snapshot.credentials(store)


def test_another_api_key_secret_is_said(open_store: Open, caplog: pytest.LogCaptureFixture) -> None:
    first = open_store(API_KEY_SECRET="mine")
    _, shown = keys.create(first, "laptop")
    assert keys.digest(open_store(API_KEY_SECRET="mine"), shown) in snapshot.load(first).keys_by_digest
    assert not caplog.messages
    assert keys.digest(open_store(API_KEY_SECRET="other"), shown) not in snapshot.load(first).keys_by_digest
    assert "made under another API_KEY_SECRET" in caplog.text


def test_keys_are_derived_for_one_purpose_each(open_store: Open) -> None:
    store = open_store()
    assert store.vault.derive("a") == open_store().vault.derive("a") != store.vault.derive("b")
