"""The database over HTTP: out, in, back to a copy, and nothing left behind."""

import asyncio
import io
import json
import sqlite3
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import until
from panel_api import Api

from omniroute.panel.api import backups as routes
from omniroute.store.config import accounts, ip_filter, keys, nodes, rows
from omniroute.store.db import files as aside
from omniroute.store.transfer import backups
from omniroute.store.transfer.backups import NAME

SECRET = "sk-of-a-provider-1234567890"
WHERE = "/api/db-backups"


@pytest.fixture
def filled(api: Api) -> Api:
    nodes.add(api.store, "box", "openai", "http://127.0.0.1:9/v1")
    accounts.add(api.store, "openai", api_key=SECRET, name="work")
    keys.create(api.store, "mine")
    return api


def left(api: Api) -> list[str]:
    return [path.name for path in api.store.data_dir.iterdir() if path.name.startswith(".")]


async def sent(api: Api, content: bytes, *, files: dict[str, Any] | None = None, **query: str) -> httpx.Response:
    async with api.client(token=True) as client:
        return await client.post(
            f"{WHERE}/import", params=query, files={"file": ("up.sqlite", content), **(files or {})}
        )


async def test_a_copy_is_made_listed_gone_back_to_and_deleted(filled: Api) -> None:
    async with filled.client(token=True) as client:
        assert (await client.get(WHERE)).json() == {"backups": []}
        made = (await client.put(WHERE)).json()
        assert NAME.fullmatch(made["id"])
        assert (made["filename"], made["reason"]) == (f"{made['id']}.sqlite", "manual")
        assert made["size"] == (filled.store.data_dir / "backups" / made["filename"]).stat().st_size
        nodes.add(filled.store, "later", "openai", "http://127.0.0.1:8/v1")
        done = await client.post(WHERE, json={"backupId": made["id"]})
        assert done.status_code == 200, done.text
        assert [node.id for node in rows.nodes(filled.store)] == ["box"]
        assert filled.runtime.config.nodes == rows.nodes(filled.store), "in force when it is told"
        assert (done.json()["nodeCount"], done.json()["connectionCount"], done.json()["apiKeyCount"]) == (1, 1, 1)
        reasons = [each["reason"] for each in (await client.get(WHERE)).json()["backups"]]
        assert sorted(reasons) == ["manual", "restore"]
        assert (await client.delete(f"{WHERE}/{made['id']}")).status_code == 204
        assert [each.reason for each in backups.list_backups(filled.store.path)] == ["restore"]


@pytest.mark.parametrize(
    "id", ["../secrets", "..%2F..%2Fetc%2Fpasswd", "storage", "storage-v1-20260101T000000Z", "x" * 999]
)
async def test_an_id_leads_nowhere_else(filled: Api, id: str) -> None:
    async with filled.client(token=True) as client:
        before = sorted(path.name for path in filled.store.data_dir.iterdir())
        answer = await client.post(WHERE, json={"backupId": id})
        assert answer.status_code == 400
        assert "there is no backup" in answer.json()["error"]["message"]
        assert (await client.delete(f"{WHERE}/{id}")).status_code in (400, 404)
        assert sorted(path.name for path in filled.store.data_dir.iterdir()) == before


async def test_what_is_exported_is_imported(filled: Api, tmp_path: Path) -> None:
    async with filled.client(token=True) as client:
        answer = await client.get(f"{WHERE}/export")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith('attachment; filename="omniroute-2')
    (tmp_path / "out.sqlite").write_bytes(answer.content)
    with sqlite3.connect(tmp_path / "out.sqlite") as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    db.close()
    assert SECRET.encode() not in answer.content
    nodes.remove(filled.store, "box")
    done = await sent(filled, answer.content)
    assert done.status_code == 200, done.text
    assert done.json()["imported"] is True
    assert [node.id for node in rows.nodes(filled.store)] == ["box"]
    assert backups.find(filled.store.path, done.json()["backup"]).reason == "import"
    assert not left(filled)


async def test_an_archive_has_no_credential_and_comes_back(filled: Api) -> None:
    async with filled.client(token=True) as client:
        answer = await client.get(f"{WHERE}/exportAll")
    assert answer.headers["content-type"] == "application/gzip"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as found:
        texts = [file.read() for each in found if (file := found.extractfile(each))]
    assert texts
    assert not [text for text in texts if SECRET.encode() in text]
    done = await sent(filled, answer.content)
    assert done.json()["withoutCredential"] == ["openai account 'work'"] or done.json()["withoutCredential"]
    assert not left(filled)


async def test_a_body_may_be_the_file_alone(filled: Api) -> None:
    async with filled.client(token=True) as client:
        content = (await client.get(f"{WHERE}/export")).content
        kind = {"content-type": "application/octet-stream"}
        done = await client.post(f"{WHERE}/import", content=content, headers=kind)
        assert done.status_code == 200, done.text
        done = await client.post(f"{WHERE}/import", content=b"", headers=kind)
        assert (done.status_code, done.json()["error"]["type"]) == (400, "invalid_request")


async def test_a_key_file_opens_what_another_machine_has_sealed(filled: Api, tmp_path: Path) -> None:
    from omniroute.store.config import snapshot
    from omniroute.store.db.database import Store
    from omniroute.store.transfer import export

    other = Store(tmp_path / "other")
    accounts.add(other, "groq", api_key="sk-of-another-machine", name="there")
    export.export(other, tmp_path / "copy.sqlite")
    other.close()
    content = (tmp_path / "copy.sqlite").read_bytes()
    refused = await sent(filled, content)
    assert refused.status_code == 400
    assert "encrypted with another key" in refused.json()["error"]["message"]
    key = (tmp_path / "other" / "secrets.json").read_bytes()
    done = await sent(filled, content, files={"keyFile": ("secrets.json", key)})
    assert done.status_code == 200, done.text
    assert list(snapshot.credentials(filled.store).values()) == ["sk-of-another-machine"]
    assert (await sent(filled, content, withoutCredentials="true")).json()["withoutCredential"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not a database at all" * 500, "the file is no SQLite database"),
        (b"", "the file"),
        (b"SQLite format 3\x00" + bytes(5000), ""),
    ],
)
async def test_what_is_no_export_changes_nothing(filled: Api, content: bytes, says: str) -> None:
    before = filled.store.revision()
    answer = await sent(filled, content)
    assert answer.status_code == 400
    assert says in answer.json()["error"]["message"]
    assert filled.store.revision() == before
    assert not left(filled)


async def test_a_form_that_is_none(filled: Api) -> None:
    async with filled.client(token=True) as client:
        for kind, body, status in (
            ("application/json", b"{}", 415),
            ("multipart/form-data", b"x", 400),
            ("multipart/form-data; boundary=b", b"--b\r\nno head", 400),
            (
                "multipart/form-data; boundary=b",
                b'--b\r\ncontent-disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n',
                400,
            ),
            ("multipart/form-data; boundary=b", b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nx', 400),
            (
                "multipart/form-data; boundary=b",
                b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nx\r\n' * 20,
                400,
            ),
        ):
            answer = await client.post(f"{WHERE}/import", content=body, headers={"content-type": kind})
            assert answer.status_code == status, (kind, body, answer.text)
    assert not left(filled)


async def test_a_file_that_is_too_large_is_not_kept(filled: Api) -> None:
    limit = routes.import_.largest
    async with filled.client(token=True) as client:

        async def body() -> AsyncIterator[bytes]:
            for _ in range(limit // 65536 + 1):
                yield bytes(65536)

        answer = await client.post(
            f"{WHERE}/import", content=body(), headers={"content-type": "application/octet-stream"}
        )
    assert answer.status_code == 413
    assert not left(filled)


async def test_a_full_disk_is_named_and_nothing_stays(filled: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def full(path: Path, *how: Any, **more: Any) -> Any:
        upload = path.parent.name.startswith(aside.FOLDER)
        return open("/dev/full", "wb") if upload else opened(path, *how, **more)

    monkeypatch.setattr(Path, "open", full)
    for content in (bytes(100), bytes(3_000_000)):  # seen when it is closed, and while it is written
        answer = await sent(filled, content)
        assert answer.status_code == 503
        assert "cannot be kept" in (said := answer.json()["error"]["message"])
        assert "No space left" in said
    assert not left(filled)


async def test_who_leaves_in_the_middle_leaves_nothing(filled: Api) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", filled.relay.port)
    head = (
        f"POST {WHERE}/import HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {filled.token}\r\n"
        "content-type: application/octet-stream\r\ncontent-length: 100000\r\n\r\n"
    )
    writer.write(head.encode() + bytes(5000))
    await writer.drain()
    await asyncio.to_thread(until, "it has begun", lambda: bool(left(filled)))
    writer.close()
    await asyncio.to_thread(until, "it is gone", lambda: not left(filled))


async def test_lists_that_keep_out_who_imports_them_need_force(filled: Api) -> None:
    ip_filter.put(filled.store, "deny", ["203.0.113.7"])
    ip_filter.set_mode(filled.store, "blacklist")
    async with filled.client(token=True) as client:
        content = (await client.get(f"{WHERE}/export")).content
    ip_filter.remove(filled.store, ["203.0.113.7"])
    await filled.runtime.refresh()
    async with filled.client(token=True, peer="203.0.113.7") as client:
        refused = await client.post(f"{WHERE}/import", files={"file": content})
        assert refused.status_code == 400
        assert "203.0.113.7" in refused.json()["error"]["message"]
        done = await client.post(f"{WHERE}/import", files={"file": content}, params={"force": "true"})
        assert done.status_code == 200


async def test_what_is_checked(filled: Api) -> None:
    async with filled.client(token=True) as client:
        found = (await client.get("/api/storage/health")).json()
    assert found["ok"] is True
    assert {"integrity", "schema", "secrets", "room", "backups"} <= {each["name"] for each in found["checks"]}
    assert json.dumps(found)
