"""The built wheel, away from the checkout: the command line, the addon script, the panel's pages."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness import BIN, REPO, Gateway

from omniroute import __version__


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel brings; it goes before the checkout on the path."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=REPO, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {name.split("/")[0] for name in names} == {"omniroute", f"omniroute-{__version__}.dist-info"}
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def gateway(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("run")
    script = run(site, "addon-path").stdout.strip()
    assert Path(script).is_relative_to(site)
    options = ["--set", f"confdir={folder / 'mitmproxy'}", "--set", f"omniroute_data_dir={folder / 'data'}"]
    command = [str(BIN / "mitmdump"), "-s", script, "--mode", "reverse:http://127.0.0.1:9@127.0.0.1:0", *options]
    # Without PYTHONPATH: the script finds the package that it came with by itself.
    with Gateway.start(folder, command=command) as started:
        yield started


def run(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "omniroute", *words]
    return subprocess.run(
        command, cwd=site.parent, env=environ, capture_output=True, text=True, check=True, timeout=120
    )


def test_the_version_names_python_and_mitmproxy(site: Path) -> None:
    shown = run(site, "--version").stdout
    assert shown.startswith(f"omniroute-ctl {__version__} (Python 3.")
    assert ", mitmproxy 12." in shown


def test_the_panel_comes_out_of_the_wheel(gateway: Gateway) -> None:
    page = httpx.get(f"{gateway.url}/omniroute/", trust_env=False)
    assert page.status_code == 200
    script = httpx.get(f"{gateway.url}/omniroute/static/js/app.js", trust_env=False)
    assert script.content == (REPO / "web/js/app.js").read_bytes()


def test_the_gateway_answers(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.url}/v1/models", trust_env=False).json()["object"] == "list"
