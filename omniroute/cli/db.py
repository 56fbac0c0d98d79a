"""`omniroute-ctl db …`: export, import, restore, migrate and check the database."""

from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from omniroute.cli.base import Group, State
from omniroute.cli.db_backups import backups
from omniroute.cli.output import note, say, show_json, table
from omniroute.cli.progress import progress_line
from omniroute.store.db import checks
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.db.recovery import recover
from omniroute.store.transfer import export
from omniroute.store.transfer import import_ as importing
from omniroute.store.transfer.import_ import ImportResult, Step

FILE = click.Path(path_type=Path)
STEPS = {"backup": "Making a backup of what is here …", "replace": "Taking it over …"}


@click.group(cls=Group)
def db() -> None:
    """The database: exports, imports, backups and checks, while the gateway goes on serving."""


db.add_command(backups)


@db.command("export")
@click.argument("file", type=FILE, required=False)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.pass_obj
def export_(state: State, file: Path | None, force: bool) -> None:
    r"""Copy the whole database into FILE, for an import or to be kept.

    Credentials are in it encrypted. Another machine needs the key to open them: `secrets.json` of the data
    directory (or the same STORAGE_ENCRYPTION_KEY), which is not in it.

    \b
    omniroute-ctl db export ~/omniroute.sqlite
    """
    target = file or Path(f"omniroute-{_stamp()}.sqlite")
    with state.store() as store:
        size = export.export(store, target, replace=force)
        key_file = store.data_dir / "secrets.json"
    if state.as_json:
        show_json({"file": str(target), "bytes": size})
        return
    say(f"Wrote {target} ({size / 1024:,.0f} KB).")
    note(f"Its credentials are encrypted, and open only with {key_file}: keep a copy of that too, in another place.")


@db.command("export-all")
@click.argument("file", type=FILE, required=False)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.pass_obj
def export_all(state: State, file: Path | None, force: bool) -> None:
    r"""Write everything but credentials into FILE, an archive (.tar.gz) of JSON and CSV.

    No key of a provider or a client is in it, no password, no token and nothing that was said.
    `db import` takes it: its accounts then need their keys anew.

    \b
    omniroute-ctl db export-all share-with-a-friend.tar.gz
    """
    target = file or Path(f"omniroute-all-{_stamp()}.tar.gz")
    with state.store() as store:
        rows = export.export_all(store, target, replace=force)
    if state.as_json:
        show_json({"file": str(target), "rows": rows})
    else:
        say(f"Wrote {target} without credentials ({sum(rows.values()):,} rows).")


@db.command("import")
@click.argument("file", type=FILE)
@click.option("--key-file", type=FILE, help="The secrets.json of where FILE was made.")
@click.option("--without-credentials", is_flag=True, help="Bring in the rest; the accounts need their keys anew.")
@click.option("--without-history", is_flag=True, help="Leave out what was asked there.")
@click.option("--force", is_flag=True, help="Even where its lists of addresses keep out this machine.")
@click.pass_obj
def import_(
    state: State, file: Path, key_file: Path | None, without_credentials: bool, without_history: bool, force: bool
) -> None:
    r"""Make the configuration that of FILE, which `db export` or `db export-all` has written.

    All of the configuration is replaced at once, and a running gateway goes by it at once. History is added to what
    is here. The password, the admin token, cool-downs and lock-outs stay as they are here, and a key that was revoked
    here stays revoked. A backup is made first; when anything fails, nothing has changed.

    \b
    omniroute-ctl db import omniroute.sqlite
    omniroute-ctl db import omniroute.sqlite --key-file old-machine/secrets.json
    omniroute-ctl db import omniroute.sqlite --without-credentials
    """
    if key_file and without_credentials:
        raise click.UsageError("--key-file and --without-credentials exclude each other")
    with state.store() as store:
        done = importing.import_database(
            store,
            file,
            key_file=key_file,
            without_credentials=without_credentials,
            history=not without_history,
            force=force,
            step=_step(state),
        )
    _tell(state, done, f"Imported {file}")


@db.command()
@click.argument("id")
@click.option("--force", is_flag=True, help="Even where its lists of addresses keep out this machine.")
@click.pass_obj
def restore(state: State, id: str, force: bool) -> None:
    r"""Go back to the configuration of a backup, by the ID that `db backups` shows.

    What is here now is backed up first. As with an import, history stays and is only added to.

    \b
    omniroute-ctl db restore storage-v10-20261123T024102Z-manual
    """
    with state.store() as store:
        done = importing.restore(store, id, force=force, step=_step(state))
    _tell(state, done, f"Restored {id}")


@db.command()
@click.pass_obj
def migrate(state: State) -> None:
    """Bring the database up to the version of this program, and keep a copy of what was there.

    The gateway does the same when it starts; no other command does. A running gateway has to be stopped first.
    """
    with progress_line(state) as progress, closing(Store(state.data_dir, progress=progress)) as store:
        recovered = recover(store)
    done = store.migrated
    if state.as_json:
        show_json(
            {
                "from": done.before if done else len(MIGRATIONS),
                "to": len(MIGRATIONS),
                "backup": done.backup if done else None,
                "leftovers": list(recovered.leftovers),
                "history_undone": recovered.history,
            }
        )
        return
    if done is None or not done.before:
        say(f"Nothing to migrate: the database has version {len(MIGRATIONS)}.")
    else:
        say(f"Migrated from version {done.before} to {done.after}.")
        note(f"What was there before is the backup {done.backup}; it stays until `omniroute-ctl db backups remove`.")


@db.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """See whether the database is whole, as this program makes it, readable with its key, and has room."""
    state: State = ctx.obj
    try:
        with state.store() as store:
            found = checks.check(store)
    except StoreError as error:
        found = [checks.failed_to_open(error)]
    if state.as_json:
        show_json({"ok": all(each.ok for each in found), "checks": [asdict(each) for each in found]})
    else:
        table(["", "check", "found"], [("ok" if each.ok else "fail", each.name, each.found) for each in found])
        for each in found:
            if not each.ok and each.advice:
                say(f"{each.name}: {each.advice}")
    ctx.exit(0 if all(each.ok for each in found) else 1)


def _step(state: State) -> Step:
    def tell(name: str) -> None:
        if not state.as_json and name in STEPS:
            note(STEPS[name])

    return tell


def _tell(state: State, done: ImportResult, what: str) -> None:
    if state.as_json:
        show_json(
            {
                "backup": done.backup,
                "version": done.version,
                "rows": dict(done.rows),
                "history_added": done.history,
                "without_credential": list(done.lost),
                "keys_kept": done.keys_kept,
            }
        )
        return
    rows = done.rows
    keys = "the keys of before" if done.keys_kept else f"{rows['api_keys']} keys"
    say(
        f"{what}: {rows['provider_connections']} accounts, {rows['provider_nodes']} nodes, {rows['combos']} combos, "
        f"{keys}; {done.history:,} exchanges of history added."
    )
    if done.keys_kept:
        note("Keys of clients in the file would not open here (another API_KEY_SECRET, or none in it): ours stay.")
    if done.lost:
        note(
            f"Without a credential now: {', '.join(done.lost)}. Such accounts are disabled until "
            "`omniroute-ctl provider set-key` gives them one."
        )
    say(f"What was here before is the backup {done.backup}: `omniroute-ctl db restore {done.backup}` goes back.")


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
