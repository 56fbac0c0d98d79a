"""`proxy …`, and who else shows the way."""

import pytest
from stand_ins import Ctl, Web

LOCKED = "http://Quagga7f3K:Okapi%2F9mN3b@proxy.example:3128"
MASKED = "http://••••:••••@proxy.example:3128"


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def full(ctl: Ctl, home: None, as_json) -> str:
    """Set up one of everything, and give the account's id."""
    ctl("combo", "add", "duo", "openai/gpt-5.5", "home/m")
    return as_json("provider", "add", "openai", "--api-key", "k" * 20, "--name", "main")["id"]


def test_all_levels_and_which_one_counts(ctl: Ctl, as_json, full: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def used(*words: str) -> list[tuple[str, str | None]]:
        return [(each["proxy"], each["from"]) for each in as_json("proxy", "show", *words)["used"]]

    assert "omniroute-ctl proxy set global URL" in ctl("proxy", "show").stdout
    assert used("--model", "duo") == [("direct", None), ("direct", None)]
    monkeypatch.setenv("HTTPS_PROXY", "http://u:Okapi9mN@env:1")
    assert used("--model", "duo") == [("http://••••:••••@env:1", "HTTPS_PROXY"), ("direct", None)]
    ctl("proxy", "set", "global", "socks5h://all")
    assert used("--model", "duo") == [("socks5h://all:1080", "global")] * 2
    ctl("proxy", "set", "provider", "home", "direct")
    ctl("proxy", "set", "combo", "duo", "http://combo:1")
    assert used("--model", "duo") == [("http://combo:1", "combo duo")] * 2
    assert used("--account", "main") == [("socks5h://all:1080", "global")]
    assert as_json("proxy", "set", "account", "main", LOCKED) == {"level": "account", "id": full, "proxy": MASKED}
    assert used("--model", "duo") == [(MASKED, f"account {full}"), ("http://combo:1", "combo duo")]
    assert used("--model", "openai/gpt-5.5", "--account", "main") == [(MASKED, f"account {full}")]
    assert [each["level"] for each in as_json("proxy", "show")["set"]] == ["account", "combo", "provider", "global"]
    shown = ctl("proxy", "show").stdout
    for said in (MASKED, "combo", "'main'", "socks5h://all:1080", "direct", "HTTPS_PROXY", "environment"):
        assert said in shown
    assert "account" in ctl("proxy", "show", "--model", "duo").stdout
    for words in (("show",), ("show", "--json"), ("show", "--model", "duo")):
        assert "Okapi" not in ctl("proxy", *words).output
    assert as_json("proxy", "clear", "account", "main") == {"cleared": {"level": "account", "id": full}}
    assert used("--account", "main") == [("socks5h://all:1080", "global")]


def test_the_url_may_come_by_standard_input(ctl: Ctl, as_json) -> None:
    said = ctl("proxy", "set", "global", "--url-stdin", input=f"{LOCKED}\n").stdout
    assert said == f"global goes through {MASKED} from now on.\n"
    assert as_json("proxy", "show")["set"] == [{"level": "global", "id": None, "proxy": MASKED}]


def test_who_sets_one_for_all_is_told_of_nodes_on_this_machine(ctl: Ctl, home: None) -> None:
    assert "omniroute-ctl proxy set provider home direct" in ctl("proxy", "set", "global", "http://p:1").stdout
    ctl("proxy", "set", "provider", "home", "direct")
    assert "home" not in ctl("proxy", "set", "global", "http://p:1").stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("set", "planet", "http://p:1"), 2, "'planet' is not one of"),
        (("set", "global"), 2, "a URL alone"),
        (("set", "global", "x", "http://p:1"), 2, "a URL alone"),
        (("set", "provider", "http://p:1"), 2, "which provider, and a URL"),
        (("set", "provider", "opnai", "http://p:1"), 1, "openai"),
        (("set", "account", "nobody", "http://p:1"), 1, "no account 'nobody'"),
        (("set", "combo", "nobody", "http://p:1"), 1, "no combo 'nobody'"),
        (("set", "global", "ftp://p:1"), 1, "it takes http://, https://, socks5:// or socks5h://"),
        (("set", "global", "http://p:70000"), 1, "1 to 65535"),
        (("set", "global", "http://u:Okapi9mN@p q"), 1, "spaces"),
        (("clear", "global"), 1, "has no proxy of its own"),
        (("test", "global"), 1, "has no proxy of its own"),
        (("test", "account"), 1, "say which account"),
        (("test", "a", "b", "c"), 2, "a URL"),
        (("test", "nonsense"), 2, "has no scheme"),
        (("test", "http://p:1", "--ip-service", "ftp://x"), 2, "http:// or https://"),
        (("test", "http://p:1", "--timeout", "0"), 2, "--timeout"),
    ],
)
def test_what_is_refused(refused, words: tuple[str, ...], code: int, says: str) -> None:
    said = refused("proxy", *words, code=code)
    assert says in said
    assert "Okapi" not in said


def test_explain_shows_the_way_where_it_is_not_direct(ctl: Ctl, as_json, full: str) -> None:
    assert "path" not in ctl("route", "explain", "duo").stdout
    ctl("proxy", "set", "account", "main", LOCKED)
    ctl("proxy", "set", "provider", "home", "direct")
    shown = ctl("route", "explain", "duo").stdout
    assert f"{MASKED} (account {full})" in shown
    assert "direct (provider home)" in shown
    ways = [(each["proxy"], each["proxy_from"]) for each in as_json("route", "explain", "duo")["targets"]]
    assert ways == [(MASKED, f"account {full}"), (None, "provider home")]


def test_doctor_says_which_variable_cannot_be_used(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "0")
    monkeypatch.setenv("all_proxy", "socks4://u:Okapi9mN@p:1")
    said = ctl("doctor", code=1).stdout
    assert "all_proxy cannot be used" in said
    assert "Okapi" not in said


@pytest.mark.parametrize(
    ("status", "body", "ip"),
    [
        (200, "198.51.100.7\n", "198.51.100.7"),
        (200, '{"ip": "2001:db8::7"}', "2001:db8::7"),
        (200, '{"origin": "198.51.100.7, 10.0.0.1"}', "198.51.100.7"),
        (200, "<html>", None),
        (200, "{}", None),
        (200, "[1]", None),
        (500, "198.51.100.7", None),
    ],
)
def test_what_a_service_answers(as_json, web: Web, status: int, body: str, ip: str | None) -> None:
    web.answers["GET /"] = (status, body)
    said = as_json("proxy", "test", "direct", "--ip-service", f"{web.url}/", code=0 if ip else 1)
    assert (said["ok"], said["ip"], said["proxy"]) == (ip is not None, ip, "direct")
