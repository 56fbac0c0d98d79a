"""Which network proxy a target is asked through."""

from itertools import product

from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.catalog.providers import PROVIDERS
from omniroute.config.model import Account, Combo, Config, Place
from omniroute.netproxy.env_proxies import read_environment
from omniroute.netproxy.proxy_url import Proxy, read_proxy
from omniroute.routing.plan import plan
from omniroute.routing.proxy_choice import DIRECT, ProxyChoice, choose_proxy, opened

OPENAI = next(row for row in PROVIDERS if row.id == "openai")
ACCOUNT = Account(id="a1", provider="openai", name="main")
# The top combo leads to the outer one, that to the inner one, and that to the model.
COMBOS = {
    "top": Combo("top", ("outer",)),
    "outer": Combo("outer", ("inner",)),
    "inner": Combo("inner", ("openai/gpt-5.5",)),
}
COMBO_ORDER: list[Place] = [("combo", "inner"), ("combo", "outer"), ("combo", "top")]
ORDER: list[Place] = [("account", "a1"), *COMBO_ORDER, ("provider", "openai"), ("global", "")]
NOWHERE: list[Place] = [("account", "a2"), ("combo", "other"), ("provider", "anthropic"), ("combo", "a1")]


def config(proxies: dict[Place, Proxy | None], account: Account = ACCOUNT) -> Config:
    return Config(accounts=(account,), combos=COMBOS, proxies=proxies)


def path(model: str, made: Config, **environ: str) -> ProxyChoice:
    [target] = plan(model, made, client=None).targets
    return choose_proxy(target, made, read_environment(environ))


@given(st.dictionaries(st.sampled_from([*ORDER, *NOWHERE]), st.sampled_from([None, *"abc"])), st.booleans())
def test_the_innermost_place_that_says_anything_counts(said: dict[Place, str | None], environ: bool) -> None:
    proxies = {place: host and Proxy("http", host, 1) for place, host in said.items()}
    variables = {"ALL_PROXY": "http://env:1"} if environ else {}
    found = path("top", config(proxies), **variables)
    wanted = next((place for place in ORDER if place in said), None)
    if wanted is not None:
        assert found == ProxyChoice(proxies[wanted], wanted)
    elif environ:
        assert (str(found.proxy), found.origin) == ("http://env:1", "ALL_PROXY")
    else:
        assert found == DIRECT


def test_a_combo_counts_for_who_came_by_it() -> None:
    made = config({("combo", "outer"): Proxy("http", "far", 1)})
    assert path("inner", made) == DIRECT
    assert path("openai/gpt-5.5", made) == DIRECT
    assert path("outer", made).origin == "combo outer"


@every(
    ("base_url", "direct"),
    [
        (None, False),
        ("http://127.0.0.1:9/v1", True),
        ("https://localhost/v1", True),
        ("https://in.corp.example/v1", True),
        ("https://api.corp.example:8443/v1", True),
        ("https://api.corp.example/v1", False),
        ("http://10.1.2.3/v1", True),
        ("http://11.1.2.3/v1", False),
    ],
)
def test_the_environment_goes_by_where_the_account_is(base_url: str | None, direct: bool) -> None:
    account = Account(id="a1", provider="openai", name="main", base_url=base_url)
    without = "in.corp.example,api.corp.example:8443,10.0.0.0/8"
    found = path("openai/gpt-5.5", config({}, account), HTTPS_PROXY="e:1", HTTP_PROXY="e:1", NO_PROXY=without)
    assert (found == DIRECT) == direct


def test_direct_keeps_the_environment_out() -> None:
    found = path("openai/gpt-5.5", config({("provider", "openai"): None}), ALL_PROXY="http://env:1")
    assert (found.proxy, str(found)) == (None, "direct (provider openai)")


def test_what_opens_it_is_looked_up_by_its_place() -> None:
    locked = read_proxy("http://u:Okapi9mN@p:1")
    place: Place = ("account", "a1")
    found = path("outer", config({place: locked.bare()}))
    assert opened(found, {place: locked}) == locked
    assert opened(found, {}) == locked.bare()
    assert opened(ProxyChoice(None, place), {place: locked}) is None
    environ = path("outer", config({}), ALL_PROXY="http://u:Okapi9mN@p:1")
    assert opened(environ, {("global", ""): read_proxy("http://x:1")}) == locked
    for each, shown in product((found, environ), (str, repr)):
        assert "Okapi" not in shown(each)
    assert str(found) == "http://••••:••••@p:1 (account a1)"
