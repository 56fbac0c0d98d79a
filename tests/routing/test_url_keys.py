"""Keys are taken out of paths and queries; all other bytes stay."""

from urllib.parse import quote

from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.access.url_keys import NAMES, PLACEHOLDER, Cleaned, clean

KEY = "sk-omni-abcdefghijklmnop"


def escaped(text: str) -> st.SearchStrategy[str]:
    """Escape some characters of a text once or twice."""
    hexed = [f"%{ord(char):02x}" for char in text]
    return st.tuples(
        *(st.sampled_from((char, code, code.upper(), quote(code))) for char, code in zip(text, hexed, strict=True))
    ).map("".join)


@every(
    ("query", "left", "keys", "misplaced"),
    [
        ("", "", (), False),
        ("alt=sse", "alt=sse", (), False),
        ("a=%2f&b=+c&&=x;d", "a=%2f&b=+c&&=x;d", (), False),
        ("key=secret", "", ("secret",), False),
        ("alt=sse&key=a%2Bb&x=%7e", "alt=sse&x=%7e", ("a+b",), False),
        ("k%65y=secret&alt=sse", "alt=sse", ("secret",), False),
        ("KEY=secret", "", (), False),
        ("api_key=secret&alt=sse", "alt=sse", (), False),
        ("Api-Key=secret;alt=sse", "alt=sse", (), False),
        ("%2561pi%255fkey=secret", "", (), False),
        ("access_token=secret", "", (), False),
        (f"api_key={KEY}", "", (), True),
        (f"x={KEY}&alt=sse", "alt=sse", (), True),
        (f"x=a-{quote(quote(KEY, safe=''))}", "", (), True),
        ("x=%73k-omni-abc", "", (), True),
        (f"{KEY}", "", (), True),
        (f"x={KEY.upper()}", "", (), True),
        (f"key={KEY}", "", (KEY,), False),
        ("pageToken=next&page_token=next", "pageToken=next&page_token=next", (), False),
    ],
)
def test_queries(query: str, left: str, keys: tuple[str, ...], misplaced: bool) -> None:
    assert clean("/v1/models", query) == Cleaned("/v1/models", left, keys, misplaced)


def test_paths() -> None:
    for part in (KEY, "%73k-omni-abcdef", "sk%252Domni-abc"):
        found = clean(f"/v1beta/models/{part}:generateContent", "")
        assert found == Cleaned(f"/v1beta/models/{PLACEHOLDER}", "", (), True)
    assert clean("/v1/models/a-b%2Fc", "").path == "/v1/models/a-b%2Fc"


@given(st.sampled_from(sorted(NAMES)).flatmap(lambda name: st.tuples(st.just(name), escaped(name))))
def test_every_name_in_every_escape_is_removed(found: tuple[str, str]) -> None:
    assert clean("/", f"a=1&{found[1]}=secret&b=2").query == "a=1&b=2", found


@given(escaped(KEY), st.text("ab%&=;+-", max_size=20))
def test_no_key_is_left_by_value(key: str, before: str) -> None:
    found = clean("/", f"{before}={key}&b=2")
    assert key not in found.query
    assert found.misplaced or found.keys


@given(st.text(st.characters(codec="ascii", exclude_characters="&;"), max_size=40))
def test_what_is_no_key_stays_to_the_byte(text: str) -> None:
    found = clean("/", f"alt={text}")
    assert found.query == f"alt={text}" or found.misplaced
