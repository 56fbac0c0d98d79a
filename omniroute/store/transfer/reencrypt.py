"""Re-encryption of the credentials of an imported database with the key of this one."""

import hmac
from dataclasses import dataclass, field
from pathlib import Path

from omniroute.netproxy.proxy_url import read_proxy
from omniroute.store.config import accounts, proxies
from omniroute.store.db import secrets
from omniroute.store.db.database import PROBE, Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.secrets import STORAGE_VARIABLE, Vault
from omniroute.store.transfer.untrusted import UntrustedDatabase, Values


@dataclass(slots=True)
class Credentials:
    """Handling of imported credentials: encrypted again, or left out."""

    vault: Vault | None
    """Vault that decrypts them; None leaves them out."""
    lost: list[str] = field(default_factory=list)
    """Names of the accounts and proxies whose credentials were left out."""

    def account(self, row: Values, store: Store) -> Values:
        """Return the account row for this database; an account whose credential is left out is disabled."""
        if row["secret"] is None:
            return row
        if self.vault is None:
            self.lost.append(f"{row['provider']} {row['name']}")
            return row | {"secret": None, "enabled": 0}
        about = accounts.sealed_for(row["id"])
        return row | {"secret": self._again(row["secret"], about, store)}

    def proxy(self, row: Values, store: Store) -> Values:
        """Return the proxy row for this database; one without its password stays, else requests would bypass it."""
        if row["secret"] is None:
            return row
        place = (row["level"], row["ref"])
        if self.vault is None:
            self.lost.append(f"proxy of {' '.join(filter(None, place))}")
            return row | {"secret": None}
        try:
            about = proxies.sealed_for(place, str(read_proxy(row["url"])))
        except ValueError as exc:
            raise StoreError(f"the file has a network proxy that cannot be: {exc}") from exc
        return row | {"secret": self._again(row["secret"], about, store)}

    def _again(self, sealed: bytes, about: str, store: Store) -> bytes:
        assert self.vault
        try:
            text = self.vault.unseal(sealed, about)
        except (StoreError, UnicodeDecodeError) as exc:
            raise StoreError(
                f"the secret of {about!r} in the file cannot be decrypted: it was changed by something else; "
                "--without-credentials brings in the rest"
            ) from exc
        return sealed if self.vault is store.vault else store.vault.seal(text, about)


def opening(found: UntrustedDatabase, store: Store, *, key_file: Path | None, without: bool) -> Credentials:
    """Find the vault that decrypts the credentials of a file.

    Raises StoreError if there is none and `without` is False.
    """
    if without or not any(row["secret"] is not None for table in _SEALED for row in found.rows(table)):
        return Credentials(None)
    meta = facts(found)
    vaults = [Vault(_given(key_file).storage)] if key_file else store.vaults(meta.get("salt", b""))
    for vault in vaults:
        try:
            vault.unseal(meta.get("check", b""), "check")
        except StoreError:
            continue
        return Credentials(vault)
    if key_file:
        raise StoreError(f"the key file {str(key_file)!r} does not open the secrets of this file; nothing was changed")
    raise StoreError(
        "the secrets of this file were encrypted with another key than this machine's: give its `secrets.json` with "
        f"--key-file, or set {STORAGE_VARIABLE} as it was there, or bring in the rest with --without-credentials; "
        "nothing was changed"
    )


def keys_open(found: UntrustedDatabase, store: Store) -> bool:
    """Return whether the gateway keys in a file would work here, that is, have the same digest secret."""
    return hmac.compare_digest(facts(found).get("api_key_check", b""), store.digest(PROBE))


def facts(found: UntrustedDatabase) -> dict[str, bytes]:
    """Return the rows of the `meta` table of the file, by name."""
    return {row["name"]: row["value"] for row in found.rows("meta")}


_SEALED = ("provider_connections", "network_proxies")


def _given(key_file: Path) -> secrets.KeyFile:
    try:
        return secrets.load(key_file)
    except FileNotFoundError as exc:
        raise StoreError(f"there is no key file {str(key_file)!r}") from exc
