"""Processes that use a database are killed again and again: it stays whole, and they leave nothing behind."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from omniroute.store.db.database import Store
from omniroute.store.db.recovery import recover
from omniroute.store.transfer import export

KILLS, SEED = 20, 7
FOREIGN = 3000
"""Records that an import adds, in several steps."""
LATE = 2.0
"""Seconds after which a record must be on the disk; it takes a twentieth of that, on a machine that is not busy."""
CHILD = """
import itertools, sys, time
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
sys.path.insert(0, sys.argv[4])
from history import ROW
from omniroute.store.transfer import backups
from omniroute.store.transfer import import_ as importing
from omniroute.store.history import usage
from omniroute.store.db.database import Store
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.db.writer import Writer
store = Store(Path(sys.argv[1]), environ={})
writer = Writer(store, window=0.06)
writer.start()
def copy():
    while True:
        backups.create(store.path, "scheduled", len(MIGRATIONS), store.clock())
        backups.prune(store.path, 2)
def bring_in():
    while True:
        importing.import_database(store, Path(sys.argv[2]))
        backups.prune(store.path, 2)
beside = {"write": lambda: None, "copy": copy, "import": bring_in}[sys.argv[3]]
Thread(target=beside, daemon=True).start()
for number in itertools.count():
    id = f"{time.time_ns()}"
    writer.submit(partial(usage.record, store, [replace(ROW, id=id)]), keep=True)
    print(id, flush=True)
    time.sleep(0.001)
"""


def foreign_history(source: Store, file: Path) -> None:
    """Write a file that an import can add."""
    export.export(source, file)
    names = "id, at, model_asked, client_dialect, path, streamed, attempts, latency_ms, dropped"
    rows = [(f"foreign{n}", 1.0, "m", "openai", "/", 0, "[]", 1.0, "[]") for n in range(FOREIGN)]
    with closing(sqlite3.connect(file)) as db, db:
        db.executemany(f"insert into usage_history ({names}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def test_twenty_kills_leave_the_database_whole(open_store: Callable[..., Store], data_dir: Path) -> None:
    dice = random.Random(SEED)
    store = open_store()
    file = data_dir.parent / "file.sqlite"
    foreign_history(store, file)
    store.close()
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    swept, undone, longest = 0, 0, 0.0
    for number in range(10 * KILLS):
        if number >= KILLS and swept and undone:
            break  # a fast machine may need more kills until one hits an import or a copy
        mode = ("import", "copy", "write")[number % 3]
        command = [sys.executable, "-c", CHILD, str(data_dir), str(file), mode, str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
            assert process.stdout
            said = [next(process.stdout) for _ in range(dice.randrange(30, 800))]
            process.kill()
            killed = time.time_ns()
            said += [line for line in process.stdout if line.endswith("\n")]
        assert process.returncode == -9
        store = open_store()
        found = recover(store)
        swept, undone = swept + len(found.leftovers), undone + found.history
        store.verify()
        db = store.db.connection()
        here = {id for (id,) in db.execute("select id from usage_history")}
        lost = [(killed - int(id)) / 1e9 for id in map(str.strip, said) if id not in here]
        longest = max(longest, *lost, 0.0)
        assert longest < LATE
        assert sum(id.startswith("foreign") for id in here) in (0, FOREIGN), "an import is whole, or not there"
        assert db.execute("select count(*) from imports").fetchone() == (0,)
        assert db.execute("select count(*) from import_rows").fetchone() == (0,)
        (counted,) = db.execute("select total(requests) from usage_slots where kind = 'total'").fetchone()
        assert counted == len(here), "the sums are those of the records"
        assert not [*data_dir.glob(".import-*"), *data_dir.glob("backups/.copy-*"), *data_dir.glob(".secrets*")]
        with store.change():
            store.db.execute_sql("delete from usage_history")
        store.close()
    print(f"{swept} leftovers removed, {undone} records of imports undone, oldest record lost {longest:.3f} s")
    assert swept
    assert undone
