"""No answer says a credential that the store knows, in any of the ways in which one can be written."""

import base64
import json
from itertools import product
from urllib.parse import quote

from panel_api import WORDS, Api, row

from omniroute.panel.api import ROUTES
from omniroute.store.config import accounts, combos, keys, nodes, proxies
from omniroute.store.history import usage

ACCOUNT, USER, OPENS = "sk-proj-Quagga7f/3Kd9+Qw2Zx8", "Numbat4hR8tY2p", "Okapi9m/N3bV7c:X1zL5k"


async def test_no_credential_is_in_any_answer(api: Api) -> None:
    nodes.add(api.store, "box", dialect="openai", base_url="http://127.0.0.1:9/v1", name="box")
    account = accounts.add(api.store, "box", name="work", api_key=ACCOUNT)
    combos.add(api.store, "mix", ["box/llama"])
    proxies.put(api.store, "global", None, f"http://{USER}:{quote(OPENS, safe='')}@127.0.0.1:9")
    key, shown = keys.create(api.store, "laptop")
    usage.record(api.store, [row(id="r1", error=f"wrong key {ACCOUNT[:3]}")])
    await api.runtime.refresh()
    async with await api.logged_in() as client:
        known = (ACCOUNT, USER, OPENS, shown, api.token, *client.cookies.values(), WORDS)
        secrets = [form for each in known for form in forms(each)]
        ids = (account.id, key.id, "box", "mix", "r1")
        gets = [route.path for route in ROUTES if route.method == "GET"]
        paths = {filled(path, id) for path, id in product(gets, ids)}
        served = 0
        for path in sorted(paths | {"/api/settings/proxy?level=global", f"/api/settings/proxy?resolve={account.id}"}):
            answer = await client.get(path)
            said = answer.content + repr(answer.headers.raw).encode()
            assert not [secret for secret in secrets if secret in said], path
            served += answer.is_success
    assert served > 0.8 * len(gets)


def filled(path: str, id: str) -> str:
    before, _, rest = path.partition("{")
    return before + id + rest.partition("}")[2] if rest else path


def forms(secret: str) -> set[bytes]:
    """Write a secret as it is, in a URL, in JSON, in hexadecimal and in Base64, wherever it begins there."""
    raw = secret.encode()
    shifted = [base64.b64encode(b"x" * n + raw)[4:-4] for n in range(3)]
    urls = [each.replace(b"+", b"-").replace(b"/", b"_") for each in shifted]
    said = [secret, quote(secret, safe=""), json.dumps(secret)[1:-1], raw.hex()]
    return {*shifted, *urls, *(each.encode() for each in said)}
