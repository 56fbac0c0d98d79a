"""Turns what the rounds found into one table: a line a number, a column a target."""

from collections.abc import Mapping
from statistics import median

from rich.console import Console
from rich.table import Table

type Found = Mapping[str, Mapping[str, list[float]]]

LINES = (
    ("added p50", "added latency, p50", "{:.2f} ms", "≤ 3 ms"),
    ("added p99", "added latency, p99", "{:.2f} ms", "≤ 10 ms"),
    ("rate", "requests/s, 32 clients", "{:,.0f}", "≥ 0.7× (headless ≥ 2×)"),
    ("cpu", "CPU a request", "{:.2f} ms", "≤ 1.5 ms"),
    ("big", "300 KB asked, added p50", "{:.2f} ms", "≤ 6 ms"),
    ("event", "CPU a stream event", "{:.0f} µs", "≤ 40 µs"),
    ("translated", "same, translated", "{:.0f} µs", "≤ 50 µs"),
    ("first", "added to first content", "{:.1f} ms", "≤ 10 ms"),
    ("idle", "memory at first", "{:.0f} MB", "≤ 90 MB (headless)"),
    ("after", "memory at the end", "{:.0f} MB", "≤ 120 MB (headless)"),
    ("start", "start to first answer", "{:.2f} s", "≤ 2 s"),
)
"""The name in the JSON, what a person reads, how the number looks, and the goal."""
BASE = "mitmdump"


def medians(found: Found) -> dict[str, dict[str, float]]:
    return {target: {name: median(values) for name, values in notes.items()} for target, notes in found.items()}


def show(found: Found) -> None:
    middle = medians(found)
    table = Table(title="The gateway beside plain mitmdump (medians; × is the ratio to plain mitmdump)")
    table.add_column("")
    for target in middle:
        table.add_column(target, justify="right")
    table.add_column("goal")
    for name, title, form, goal in LINES:
        cells = []
        for target, notes in middle.items():
            text = form.format(notes[name]) if name in notes else "–"
            if target != BASE and name in notes and middle[BASE].get(name):
                text += f"  {notes[name] / middle[BASE][name]:.2f}×"
            cells.append(text)
        table.add_row(title, *cells, goal)
    Console().print(table)
