"""Write constraints.txt: install the newest versions into empty environments, one for each Python, and list them.

python lock.py ROOT [3.12 3.13 …]
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import constraints
import installer
from constraints import Pin, Problem

PYTHONS = ("3.12", "3.13", "3.14")
SHOW = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
LEAVE_OUT = {"pip", "setuptools", "wheel", "uv", "omniroute"}


def main() -> None:
    root = Path(sys.argv[1])
    try:
        found = find(sys.argv[2:] or PYTHONS)
        versions = {python: newest(root, python, path) for python, path in found.items()}
        text = document(versions)
        target = root / "constraints.txt"
        unfinished = target.with_suffix(".new")
        unfinished.write_text(text, "utf-8")
        os.replace(unfinished, target)
    except Problem as problem:
        sys.exit(str(problem))
    print(
        f"constraints.txt: {text.count('==')} lines for Python {' and '.join(versions)}. Run scripts/test now.",
        file=sys.stderr,
    )


def find(wanted: "tuple[str, ...] | list[str]") -> dict[str, str]:
    """Find an interpreter for each version; those that are missing are reported."""
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found: dict[str, str] = {}
    for version in wanted:
        named = [f"python{version}", *map(str, sorted(home.glob(f"{version}.*/bin/python"), reverse=True))]
        for name in named:
            try:
                shown = subprocess.run([name, "-c", SHOW], capture_output=True, text=True, timeout=60, check=False)
            except OSError:
                continue
            if shown.stdout.split(" ")[0] == version:
                found[version] = shown.stdout.strip().split(" ", 1)[1]
                break
        else:
            print(f"No Python {version} on this machine: it gets no tested versions.", file=sys.stderr)
    if not found:
        raise Problem("no Python that OmniRoute supports was found")
    return found


def newest(root: Path, python: str, path: str) -> dict[str, str]:
    """Install everything into an empty environment and give what came: distribution -> version."""
    print(f"Python {python} ({path}) ...", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        venv, wanted = Path(folder, "venv"), Path(folder, "requirements.txt")
        progress = installer.Progress(0)
        installer.run([path, "-m", "venv", str(venv)], progress, venv)
        wanted.write_text("\n".join(constraints.declared(root, "test")) + "\n", "utf-8")
        pip = [str(venv / "bin/python"), "-m", "pip"]
        installer.run(installer.command(pip, venv, "pip>=24.2"), progress, venv)
        installer.run(installer.command(pip, venv, "-r", str(wanted)), progress, venv)
        progress.clear()
        listed = subprocess.run([*pip, "list", "--format=json"], capture_output=True, text=True, check=True).stdout
    return {each["name"]: each["version"] for each in json.loads(listed) if each["name"].lower() not in LEAVE_OUT}


def document(versions: dict[str, dict[str, str]]) -> str:
    """Merge what was installed for each Python: one line where all agree, else a line for each."""
    spelling = {constraints.normal(name): name for found in versions.values() for name in found}
    by_name = {
        python: {constraints.normal(name): version for name, version in found.items()}
        for python, found in versions.items()
    }
    pins = []
    for key in sorted(spelling):
        had = {python: found[key] for python, found in by_name.items() if key in found}
        if len(had) == len(versions) and len(set(had.values())) == 1:
            pins.append(Pin(spelling[key], next(iter(had.values()))))
        else:
            pins += [Pin(spelling[key], version, python) for python, version in had.items()]
    head = (
        "# The versions that the tests pass with: direct and indirect, for running and for testing.\n"
        "# Written by scripts/lock; scripts/install installs exactly these.\n"
        f"# Python: {' '.join(versions)}\n"
    )
    return head + constraints.write(pins)


if __name__ == "__main__":
    main()
