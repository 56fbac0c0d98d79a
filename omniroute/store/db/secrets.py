"""Encryption of credentials, digests of gateway keys, and the key file."""

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from omniroute.store.db.files import StoreError, keep_private, publish

STORAGE_VARIABLE = "STORAGE_ENCRYPTION_KEY"
API_KEY_VARIABLE = "API_KEY_SECRET"
SESSION_VARIABLE = "JWT_SECRET"
PASSWORD_VARIABLE = "INITIAL_PASSWORD"
VARIABLES = (PASSWORD_VARIABLE, SESSION_VARIABLE, API_KEY_VARIABLE, STORAGE_VARIABLE)
"""Environment variables that can provide secrets."""
KEY_BYTES = 32
NONCE_BYTES = 12
# Values that are published in guides and documentation.
KNOWN_TO_ALL = frozenset({"omniroute-default-secret-change-me", "endpoint-proxy-api-key-secret", "123456", "changeme"})


class Vault:
    """Encryption with AES-GCM, where each value is bound to its context: copied elsewhere, it cannot be decrypted."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._key = key

    def derive(self, purpose: str) -> bytes:
        """Derive a key for one purpose, always the same; it reveals neither this vault's key nor other derived keys."""
        return hmac_sha256(self._key, f"omniroute {purpose}")

    def seal(self, text: str, about: str) -> bytes:
        return self.seal_bytes(text.encode(), about)

    def seal_bytes(self, content: bytes, about: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, about.encode())

    def unseal(self, sealed: bytes, about: str) -> str:
        """Decrypt a text; raise StoreError when it was encrypted with another key or for another context."""
        return self.unseal_bytes(sealed, about).decode()

    def unseal_bytes(self, sealed: bytes, about: str) -> bytes:
        """Decrypt bytes, with the same errors as `unseal`."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about.encode())
        except (InvalidTag, ValueError) as exc:
            raise StoreError(f"the secret of {about!r} cannot be decrypted") from exc


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Secrets that were generated at the first start; environment variables can override each of them."""

    storage: bytes
    api_keys: bytes


def is_known_to_all(value: str) -> bool:
    """Return whether a secret is published in guides, ignoring case and surrounding whitespace."""
    return value.strip().lower() in KNOWN_TO_ALL


def from_environment(environ: Mapping[str, str], name: str) -> str | None:
    """Read a secret from the environment; an empty value counts as unset.

    Raises StoreError for a published default value.
    """
    value = environ.get(name) or None
    if is_known_to_all(value or ""):
        raise StoreError(f"{name} is {value!r}, which stands in public guides: choose a secret of your own or unset it")
    return value


def load(path: Path) -> KeyFile:
    """Read the key file. Raises FileNotFoundError when it does not exist and StoreError when it cannot be used."""
    try:
        keep_private(path)
        found = json.loads(path.read_bytes())
        keys = KeyFile(base64.b64decode(found["storage"]), base64.b64decode(found["api_keys"]))
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise StoreError(f"the key file {str(path)!r} cannot be read: {exc.strerror}") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise StoreError(f"the key file {str(path)!r} is damaged; put it back from a copy") from exc
    if len(keys.storage) != KEY_BYTES or len(keys.api_keys) != KEY_BYTES:
        raise StoreError(f"the key file {str(path)!r} is damaged; put it back from a copy")
    return keys


def load_or_make(path: Path) -> KeyFile:
    """Read the key file; create it if missing. Processes that start at the same time all get the same keys.

    Raises StoreError when it cannot be read or created.
    """
    try:
        return load(path)
    except FileNotFoundError:
        fresh = {name: base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() for name in ("storage", "api_keys")}
        try:
            publish(path, json.dumps(fresh, indent=2).encode())
        except OSError as exc:
            raise StoreError(f"the key file {str(path)!r} cannot be made: {exc.strerror}") from exc
        return load(path)


def stretch(password: str, salt: bytes) -> bytes:
    """Derive a key from a password with scrypt, slow on purpose."""
    return Scrypt(salt=salt, length=KEY_BYTES, n=2**15, r=8, p=1).derive(password.encode("utf-8", "surrogateescape"))


def hmac_sha256(secret: bytes, shown: str) -> bytes:
    """Return the HMAC-SHA256 of a text, including one with lone surrogates, as a header may contain."""
    return hmac.new(secret, shown.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
