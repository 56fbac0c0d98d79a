"""Validation of names, patterns, model ids and URLs, with the same error messages everywhere."""

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence

from omniroute.catalog.endpoints import check_base_url
from omniroute.catalog.provider import Model, Provider
from omniroute.catalog.providers import PROVIDERS, find
from omniroute.routing.suggestions import close_matches
from omniroute.store.db.files import StoreError

MAX_NAME = 100
MAX_PATTERN = 200
MAX_LISTED = 300
"""Maximum length of a model name with its prefix, as listed in combos, chains and aliases."""
COMBO = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9_./-]{1,100}")
"""`.` and `..` are excluded: clients normalize them in paths, so `/api/combos/..` would address something else."""
PREFIX = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
ID_BYTES = 6
SHORTEST_ID_PREFIX = 4


def new_id() -> str:
    """Generate a random id that is short enough to be typed and safe in a URL."""
    return secrets.token_hex(ID_BYTES)


def label(name: str, what: str) -> str:
    """Return a display name if it is valid, else raise StoreError; `what` describes its owner in the message."""
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise StoreError(
            f"{quoted(name)} cannot be the name of {what}: it takes 1 to {MAX_NAME} printable characters "
            "with no space at either end",
            field="name",
        )
    return name


def combo_name(name: str, what: str = "a combo") -> str:
    if not COMBO.fullmatch(name):
        raise StoreError(
            f"{quoted(name)} cannot be the name of {what}: it takes 1 to 100 letters, digits, '_', '.', '/', '-', "
            "and is not '.' or '..'",
            field="name",
        )
    return name


def node_prefix(prefix: str) -> str:
    """Return the prefix of a new node, or raise StoreError; whether another node has it is not checked here."""
    if not PREFIX.fullmatch(prefix):
        raise StoreError(
            f"{quoted(prefix)} cannot be the prefix of a node: it takes up to 32 of a-z, 0-9, '_', '.', '-' "
            "and starts with a letter or a digit",
            field="prefix",
        )
    if taken := find(prefix, ()):
        raise StoreError(
            f"{quoted(prefix)} is the prefix of {taken.name}: choose another one for the node", field="prefix"
        )
    return prefix


def base_url(text: str) -> str:
    """Return a base URL in canonical form, or raise StoreError."""
    try:
        return check_base_url(text)
    except ValueError as exc:
        raise StoreError(str(exc), field="base_url") from exc


def patterns(allow: Iterable[str]) -> tuple[str, ...]:
    """Return model patterns without duplicates, or raise StoreError."""
    return tuple(dict.fromkeys(pattern(text) for text in allow))


def pattern(text: str) -> str:
    """Return a model pattern or raise StoreError."""
    if not 1 <= len(text) <= MAX_PATTERN or not text.isprintable() or " " in text:
        raise StoreError(
            f"{quoted(text)} is no model pattern: it takes 1 to {MAX_PATTERN} printable characters without spaces, "
            "such as 'openai/*'"
        )
    return text


def model_id(text: str) -> str:
    """Return the id of a model as its provider knows it, or raise StoreError."""
    if not 1 <= len(text) <= MAX_PATTERN or not text.isprintable() or text != text.strip():
        raise StoreError(
            f"{quoted(text)} cannot be a model: it takes 1 to {MAX_PATTERN} printable characters "
            "with no space at either end",
            field="model_id",
        )
    return text


def listed_name(
    name: str, nodes: Sequence[Provider], added: Mapping[str, Sequence[Model]], field: str = "models"
) -> str:
    """Return a model name that a combo, a chain or an alias may list, or raise StoreError with similar names.

    It is `prefix/model`, or a name without a prefix from the catalog or the custom models.
    """
    prefix, slash, model = name.partition("/")
    if not name.isprintable() or name != name.strip() or len(name) > MAX_LISTED:
        raise StoreError(
            f"{quoted(name)} cannot be a model: it has over {MAX_LISTED} characters, some that cannot be printed, "
            "or spaces around it",
            field=field,
        )
    if slash and model and find(prefix, nodes):
        return name
    bare = {model.id for provider in PROVIDERS for model in provider.models}
    bare |= {model.id for models in added.values() for model in models}
    if name in bare:
        return name
    if slash:
        prefixes = [prefix for provider in (*nodes, *PROVIDERS) for prefix in (provider.prefix, provider.id)]
        offers = suggest(close_matches(prefix, prefixes))
        raise StoreError(f"the model {quoted(name)} has no known provider before its slash{offers}", field=field)
    offers = suggest(close_matches(name, sorted(bare)))
    raise StoreError(f"the model {quoted(name)} is unknown: say it as 'provider/model'{offers}", field=field)


def provider_id(text: str, nodes: Sequence[Provider]) -> str:
    """Return the id of the provider or node with this id or prefix, or raise StoreError with similar names."""
    if (found := find(text, nodes)) is None:
        known = [name for provider in (*nodes, *PROVIDERS) for name in (provider.prefix, provider.id)]
        raise StoreError(
            f"there is no provider or node {quoted(text)}{suggest(close_matches(text, known))}", field="provider"
        )
    return found.id


def quoted(text: str) -> str:
    """Quote a text for an error message, truncated to `MAX_NAME` characters."""
    return repr(text if len(text) <= MAX_NAME else f"{text[:MAX_NAME]}…")


def suggest(candidates: Sequence[str]) -> str:
    """Return the "did you mean" suffix of an error message, empty without candidates."""
    return f"; did you mean {' or '.join(repr(candidate) for candidate in candidates)}?" if candidates else ""


def first_free(base: str, taken: Iterable[str]) -> str:
    """Return the first of `base`, `base-2`, `base-3`, … that is not taken."""
    used = set(taken)
    name, number = base, 1
    while name in used:
        number += 1
        name = f"{base}-{number}"
    return name
