"""Whether the keys at hand are those that the database was made with; what it remembers shows no key."""

import contextlib
import hmac
import logging
import secrets
from pathlib import Path

from omniroute.store.files import StoreError
from omniroute.store.queries import Queries
from omniroute.store.secrets import API_KEY_VARIABLE, STORAGE_VARIABLE, Vault, hmac_sha256, stretch
from omniroute.store.tables import ApiKeys, Meta

log = logging.getLogger(__name__)

PROBE = "omniroute"
SALT_BYTES = 16


def unlock(queries: Queries, *, password: str | None, file_key: bytes, key_file: Path) -> Vault:
    """Open the vault, under the password where one is set; at the first start this chooses the key for good.

    Raises StoreError, having changed nothing, when the secrets were sealed under another key.
    """
    with queries.change() if _remembered(queries, "check") is None else contextlib.nullcontext():
        check, salt = _remembered(queries, "check"), _remembered(queries, "salt") or secrets.token_bytes(SALT_BYTES)
        vault = Vault(file_key if password is None else stretch(password, salt))
        if check is None:
            queries.run(Meta.insert(name="salt", value=salt))
            queries.run(Meta.insert(name="check", value=vault.seal(PROBE, "check")))
            return vault
    try:
        vault.unseal(check, "check")
    except StoreError as exc:
        used = f"the key file {str(key_file)!r}" if password is None else STORAGE_VARIABLE
        raise StoreError(
            f"{used} is not the key that the secrets in {str(queries.path)!r} are encrypted with; "
            f"set or unset {STORAGE_VARIABLE} as it was, or put the key file back; nothing was changed"
        ) from exc
    return vault


def note_api_key_secret(queries: Queries, secret: bytes) -> None:
    """Say it when the keys of clients have stopped working because their secret is another one now."""
    mark, known = hmac_sha256(secret, PROBE), _remembered(queries, "api_key_check")
    if known is None:
        with queries.change():
            queries.run(Meta.insert(name="api_key_check", value=mark).on_conflict_ignore())
    elif not hmac.compare_digest(known, mark) and queries.rows(ApiKeys.select().where(ApiKeys.revoked_at.is_null())):
        log.warning(
            "API keys that were made under another %s, or with another key file, are refused: "
            "put that back, or make the keys anew",
            API_KEY_VARIABLE,
        )


def _remembered(queries: Queries, name: str) -> bytes | None:
    found = queries.rows(Meta.select(Meta.value).where(Meta.name == name))
    return bytes(found[0]["value"]) if found else None
