"""`omniroute-ctl db backups …`: manage backups of the database in the data directory."""

from typing import Any

import click

from omniroute.cli.base import Group, State
from omniroute.cli.output import iso, local, say, show_json, table
from omniroute.config.settings import settings_of
from omniroute.store.config import rows
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.transfer import backups as kept
from omniroute.store.transfer.backups import Backup


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def backups(ctx: click.Context) -> None:
    """Copies of the database: made by hand, every `backup.every` hours, and before imports and migrations."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


def as_json(backup: Backup) -> dict[str, Any]:
    return {
        "id": backup.id,
        "created_at": iso(backup.at),
        "size": backup.size,
        "reason": backup.reason,
        "version": backup.version,
    }


@backups.command("list")
@click.pass_obj
def list_(state: State) -> None:
    """List the backups, the newest first."""
    with state.store() as store:
        found = kept.list_backups(store.path)
    if state.as_json:
        show_json([as_json(backup) for backup in found])
    elif found:
        table(
            ["backup", "made", "KB", "reason"],
            [(each.id, local(each.at), each.size // 1024, each.reason) for each in found],
        )
    else:
        say("No backups yet: `omniroute-ctl db backups create` makes one.")


@backups.command()
@click.pass_obj
def create(state: State) -> None:
    """Make a backup now. It stays until you delete it."""
    with state.store() as store:
        made = kept.create(store.path, "manual", len(MIGRATIONS), store.clock())
    if state.as_json:
        show_json(as_json(made))
    else:
        say(f"Made the backup {made.id} ({made.size / 1024:,.0f} KB).")


@backups.command()
@click.option("--keep", type=click.IntRange(1), help="How many stay of each reason; else the setting backup.keep.")
@click.pass_obj
def prune(state: State, keep: int | None) -> None:
    """Delete the oldest backups of each reason. What you made by hand stays, and so does the newest."""
    with state.store() as store:
        gone = kept.prune(store.path, keep or settings_of(rows.settings(store)).backup.keep)
    if state.as_json:
        show_json({"deleted": gone})
    else:
        say(f"Deleted {', '.join(gone)}." if gone else "Nothing to delete.")


@backups.command()
@click.argument("id")
@click.pass_obj
def remove(state: State, id: str) -> None:
    """Delete one backup, by the ID that `db backups` shows."""
    with state.store() as store:
        kept.remove(store.path, id)
    if state.as_json:
        show_json({"removed": id})
    else:
        say(f"Deleted the backup {id}.")
