"""Whether what stands in the database can be used: asked of what came from elsewhere, before it counts."""

import json

from omniroute.routing.changeable import RESILIENCE, Setting
from omniroute.routing.config import Config
from omniroute.routing.doors import MODES
from omniroute.store import read, snapshot
from omniroute.store.database import Store
from omniroute.store.doors import MODE
from omniroute.store.files import StoreError
from omniroute.store.names import PREFIX, base_url, combo_name, label, quoted
from omniroute.store.settings import known
from omniroute.store.tables import ProviderNodes


def check_setup(store: Store) -> None:
    """Read everything as a gateway would; StoreError says what it could not use."""
    try:
        config = snapshot.load(store)
        snapshot.credentials(store)
        snapshot.proxies(store)
        _check_names(config)
        for row in store.rows(ProviderNodes.select()):
            base_url(row["base_url"])
            label(row["name"], "a node")
        for name, value in read.settings(store).items():
            _check_setting(store, name, value)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as exc:
        raise StoreError(
            f"what the file sets up cannot be used: {type(exc).__name__}: {exc}; nothing was changed"
        ) from exc
    except StoreError as exc:
        raise StoreError(f"what the file sets up cannot be used: {exc}; nothing was changed") from exc


def _check_names(config: Config) -> None:
    for account in config.accounts:
        label(account.name, "an account")
        if account.base_url is not None:
            base_url(account.base_url)
    for node in config.nodes:
        if not PREFIX.fullmatch(node.prefix):
            raise StoreError(f"{quoted(node.prefix)} cannot be the prefix of a node")
    for combo in config.combos:
        combo_name(combo)
    for key in config.keys:
        label(key.name, "a key")


def _check_setting(store: Store, name: str, value: object) -> None:
    """A value that nobody could have set would fail in the middle of a request."""
    if name == MODE and value not in MODES:
        raise StoreError(f"{MODE} is none of {', '.join(MODES)}")
    if (setting := _setting(store, name)) is None:
        return
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        fits = setting.read(text) == value
    except ValueError as exc:
        raise StoreError(f"{quoted(name)} {exc}, not {quoted(text)}") from exc
    if not fits:
        raise StoreError(f"{quoted(name)} cannot be {quoted(text)}")


def _setting(store: Store, name: str) -> Setting | None:
    head, _, rest = name.partition(".")
    if head == "resilience":
        return RESILIENCE.get(rest.rpartition(".")[2])
    try:
        return known(store, name)[1]
    except StoreError:  # of a version that has more settings; nothing reads it
        return None
