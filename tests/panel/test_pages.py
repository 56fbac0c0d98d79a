"""The pages' files: served to the letter, under a policy that lets nothing of others in."""

import json
import re
import time
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from cases import every
from panel_api import Api, StartApi

from omniroute.dialects import hub
from omniroute.distribution.files import web_root
from omniroute.gateway.translation_preview import preview_error, preview_reply, preview_request, preview_stream
from omniroute.panel.static_pages import load
from omniroute.store.config import ip_filter, snapshot

FILES = load()
SAMPLES = json.loads((web_root() / "samples.json").read_text("utf-8"))
DIALECTS = ("openai", "responses", "claude", "gemini")
FOREIGN = re.compile(rb"(?:https?:)?//(?!127\.0\.0\.1|localhost|www\.w3\.org/)[\w-]+\.[\w.]+/?")


@pytest.mark.parametrize("path", ["", "usage", "translator/playground", "x/y"])
async def test_every_address_is_the_page(api: Api, path: str) -> None:
    async with api.client() as client:
        answer = await client.get(f"/omniroute/{path}")
    assert answer.status_code == 200
    assert answer.content == FILES["index.html"].content
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_page_names_all_of_its_scripts_at_once(api: Api) -> None:
    async with api.client() as client:
        page = (await client.get("/omniroute/")).text
        named = re.findall(r'rel="modulepreload" href="([^"]+)"', page)
        found = [await client.get(f"/omniroute/{each}") for each in named]
    assert all(each.status_code == 200 for each in found)
    scripts = dict(zip(named, found, strict=True))
    for path, script in scripts.items():
        for other in re.findall(r'(?:from|import)\s+"(\.[^"]+)"', script.text):
            assert urljoin(path, other) in scripts, f"{path} asks for {other} late"


async def test_files_come_with_their_kind_and_once(api: Api) -> None:
    async with api.client() as client:
        for name, file in FILES.items():
            first = await client.get(f"/omniroute/static/{name}")
            assert (first.status_code, first.content) == (200, file.content), name
            again = await client.get(f"/omniroute/static/{name}", headers={"if-none-match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        script = await client.get("/omniroute/static/js/app.js")
    assert script.headers["content-type"].startswith("text/javascript")


@every(
    "path",
    [
        "/omniroute/static/../pyproject.toml",
        "/omniroute/static/%2e%2e/pyproject.toml",
        "/omniroute/static/..%2fpyproject.toml",
        "/omniroute/static//etc/passwd",
        "/omniroute/static/js",
        "/omniroute/static/",
        "/omniroute/a/b/c/d/e/f",
    ],
)
async def test_what_is_no_file_of_the_pages_is_not_served(api: Api, path: str) -> None:
    async with api.client() as client:
        answer = await client.send(client.build_request("GET", httpx.URL(api.url).copy_with(raw_path=path.encode())))
    assert answer.status_code == 404
    assert b"[project]" not in answer.content


async def test_the_first_page_is_small(api: Api) -> None:
    first = {name: file for name, file in FILES.items() if name.startswith(("js/", "css/")) or name == "index.html"}
    size = sum(len(file.content) for file in first.values()) + len(FILES["vendor/preact.js"].content)
    assert size < 300_000


def test_no_page_asks_another_host() -> None:
    for name, file in FILES.items():
        if not name.endswith((".md", "LICENSE")):
            assert not FOREIGN.findall(re.sub(rb"/\*!.*?\*/", b"", file.content)), name


def test_no_script_stands_in_a_page() -> None:
    page = FILES["index.html"].content.decode()
    assert re.findall(r"<script(?![^>]* src=)", page) == []
    assert re.findall(r"\son\w+=|style=", page) == []


def test_every_import_of_a_script_is_there() -> None:
    for name, file in FILES.items():
        if name.startswith("js/"):
            for said in re.findall(r'from "(\.[^"]+)"', file.content.decode()):
                meant = (Path(name).parent / said).as_posix()
                while "/../" in meant:
                    meant = re.sub(r"[^/]+/\.\./", "", meant, count=1)
                assert meant in FILES, f"{name} imports {said}"


@every("sample", SAMPLES, ids=lambda sample: sample["title"])
@every("target", DIALECTS)
def test_samples_can_be_said_in_every_dialect(sample, target: str) -> None:
    raw = (sample.get("text") or json.dumps(sample["body"])).encode()
    source = sample["dialect"]
    match sample["kind"]:
        case "request":
            said = preview_request(source, target, raw, model="m")
        case "reply":
            said = preview_reply(source, target, raw, names=hub.NO_NAMES)
        case "stream":
            said = preview_stream(source, target, raw, names=hub.NO_NAMES)
        case _:
            said = preview_error(source, target, raw, sample["status"])
    assert said.fault is None
    assert said.raw


async def test_who_is_kept_out_gets_no_page(start: StartApi) -> None:
    api = await start()
    ip_filter.put(api.store, "ban", ["203.0.113.9"], until=time.time() + 3600)
    api.runtime.config = snapshot.load(api.store)
    async with api.client(peer="203.0.113.9") as client:
        assert (await client.get("/omniroute/")).status_code == 403
        assert (await client.get("/omniroute/static/js/app.js")).status_code == 403
