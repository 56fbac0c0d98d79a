"""Routes for backups, export, import and integrity checks of the database, as `omniroute-ctl db` does it."""

from datetime import UTC, datetime

from pydantic import Field

from omniroute.panel.routes import Body, Call, Download, Query, delete, get, post, put
from omniroute.panel.upload import FILE, Upload
from omniroute.store.db import checks, files
from omniroute.store.db.files import StoreError
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.transfer import backups, export
from omniroute.store.transfer import import_ as importing
from omniroute.store.transfer.backups import Backup
from omniroute.store.transfer.import_ import ImportResult
from omniroute.store.transfer.untrusted import MOST_BYTES

FORM = 1024 * 1024
"""Bytes allowed for the rest of an upload form besides its file."""
KEY_FILE = "keyFile"


class Copy(Body):
    id: str
    filename: str
    created_at: datetime
    size: int = Field(description="Bytes.")
    reason: str = Field(description="`manual`, `scheduled`, or what it was made before.")
    version: int = Field(description="Of the database that it is a copy of.")


class Copies(Body):
    backups: list[Copy] = Field(description="The newest first.")


class Restore(Body):
    backup_id: str
    force: bool = Field(False, description="Even where its lists of addresses keep out whoever asks.")


class Options(Query):
    without_credentials: bool = False
    without_history: bool = False
    force: bool = Field(False, description="Even where its lists of addresses keep out whoever asks.")


class TakenOver(Body):
    imported: bool = True
    backup: str = Field(description="The id of the copy of what was here before.")
    version: int
    connection_count: int
    node_count: int
    combo_count: int
    api_key_count: int
    history_added: int
    without_credential: list[str] = Field(description="Accounts that need their keys anew.")
    keys_kept: bool = Field(description="The file's keys of clients would not open here: ours stay.")


class Finding(Body):
    name: str
    ok: bool
    found: str
    advice: str | None


class Health(Body):
    ok: bool
    checks: list[Finding]


@get("/api/db-backups", "The copies of the database.")
def listed(call: Call) -> Copies:
    return Copies(backups=[_shown(each) for each in backups.list_backups(call.store.path)])


@put("/api/db-backups", "Make a copy now; it stays until it is deleted.", status=201)
def create(call: Call) -> Copy:
    return _shown(backups.create(call.store.path, "manual", len(MIGRATIONS), call.store.clock()))


@post("/api/db-backups", "Go back to the configuration of a copy; what is here is copied first, and history stays.")
def restore(call: Call, body: Restore) -> TakenOver:
    return _told(importing.restore(call.store, body.backup_id, caller=_caller(call), force=body.force))


@get("/api/db-backups/export", "The whole database as one file of SQLite; credentials in it stay encrypted.")
def export_(call: Call) -> Download:
    return _download(call, everything=False)


@get("/api/db-backups/exportAll", "Everything but credentials as an archive (.tar.gz) of JSON and CSV.")
def export_all(call: Call) -> Download:
    return _download(call, everything=True)


@post(
    "/api/db-backups/import",
    "Make the configuration that of an exported file; what is here is copied first, and history is added to.",
    largest=MOST_BYTES + FORM,
)
def import_(call: Call, upload: Upload, query: Options) -> TakenOver:
    """Import the uploaded `file`; `keyFile` is the secrets.json of the installation that exported it."""
    file, key_file = upload.files[FILE], upload.files.get(KEY_FILE)
    try:
        done = importing.import_database(
            call.store,
            file,
            key_file=key_file,
            without_credentials=query.without_credentials,
            history=not query.without_history,
            caller=_caller(call),
            force=query.force,
        )
    except StoreError as error:  # the client does not know the temporary paths
        said = str(error).replace(repr(str(file)), "the file").replace(repr(str(key_file)), "the key file")
        raise type(error)(said) from error
    return _told(done)


@delete("/api/db-backups/{id}", "Delete a copy.", status=204)
def remove(call: Call) -> None:
    backups.remove(call.store.path, call.path["id"])


@get("/api/storage/health", "Whether the database is whole, readable with its key, and has room. Reads all of it.")
def check(call: Call) -> Health:
    found = [
        Finding(name=each.name, ok=each.ok, found=each.found, advice=each.advice) for each in checks.check(call.store)
    ]
    return Health(ok=all(each.ok for each in found), checks=found)


def _caller(call: Call) -> tuple[str, ...]:
    return (call.visitor.client.address,)


def _shown(backup: Backup) -> Copy:
    return Copy(
        id=backup.id,
        filename=backup.path.name,
        created_at=datetime.fromtimestamp(backup.at, UTC),
        size=backup.size,
        reason=backup.reason,
        version=backup.version,
    )


def _download(call: Call, *, everything: bool) -> Download:
    stamp = datetime.fromtimestamp(call.store.clock(), UTC).strftime(backups.TIME)
    folder = files.make(call.store.data_dir)
    try:
        file = export.into(call.store, folder, everything=everything)
    except BaseException:
        files.remove(folder)
        raise
    if everything:
        return Download(file, f"omniroute-all-{stamp}.tar.gz", "application/gzip")
    return Download(file, f"omniroute-{stamp}.sqlite", "application/octet-stream")


def _told(done: ImportResult) -> TakenOver:
    return TakenOver(
        backup=done.backup,
        version=done.version,
        connection_count=done.rows["provider_connections"],
        node_count=done.rows["provider_nodes"],
        combo_count=done.rows["combos"],
        api_key_count=done.rows.get("api_keys", 0),
        history_added=done.history,
        without_credential=list(done.lost),
        keys_kept=done.keys_kept,
    )
