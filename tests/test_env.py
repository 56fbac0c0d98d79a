from pathlib import Path

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.env import Environment, InvalidEnvironment, read


def test_the_defaults() -> None:
    assert read({}) == Environment(Path.home() / ".omniroute", 20128, "127.0.0.1", 8081, False)
    assert read({"DATA_DIR": "", "PORT": "", "HOSTNAME": "", "REQUIRE_API_KEY": ""}) == read({})


def test_everything_is_read() -> None:
    environ = {
        "DATA_DIR": "~/here",
        "PORT": "1",
        "HOSTNAME": "0.0.0.0",
        "OMNIROUTE_WEB_PORT": "65535",
        "REQUIRE_API_KEY": "Yes",
    }
    assert read(environ) == Environment(Path.home() / "here", 1, "0.0.0.0", 65535, True)


def test_a_relative_directory_does_not_move_with_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert read({"DATA_DIR": "data"}).data_dir == tmp_path / "data"


@every(
    ("text", "host"),
    [
        ("build-7f9c", "127.0.0.1"),
        ("example.org", "127.0.0.1"),
        ("localhost", "localhost"),
        ("::1", "::1"),
        ("[::]", "::"),
        ("10.0.0.7", "10.0.0.7"),
    ],
)
def test_a_machine_name_is_no_address_to_listen_on(text: str, host: str) -> None:
    assert read({"HOSTNAME": text}).host == host


@every(
    ("host", "required"),
    [("127.0.0.1", False), ("127.9.9.9", False), ("localhost", False), ("::1", False), ("0.0.0.0", True), ("::", True),
     ("192.168.1.2", True), ("gateway.example", True)],
)  # fmt: skip
def test_whoever_can_be_reached_by_others_requires_a_key(host: str, required: bool) -> None:
    assert Environment(Path("/x"), host=host).requires_key is required
    assert Environment(Path("/x"), host=host, require_api_key=True).requires_key


@every(
    ("name", "value"),
    [("PORT", "http"), ("PORT", "65536"), ("PORT", "-1"), ("PORT", "²"), ("OMNIROUTE_WEB_PORT", "80.5"),
     ("REQUIRE_API_KEY", "maybe"), ("DATA_DIR", "~nobody-of-this-name/x")],
)  # fmt: skip
def test_a_refusal_names_the_variable_and_the_value(name: str, value: str) -> None:
    with pytest.raises(InvalidEnvironment) as refused:
        read({name: value})
    assert name in str(refused.value)
    assert repr(value) in str(refused.value)


@given(st.dictionaries(st.sampled_from(["PORT", "HOSTNAME", "OMNIROUTE_WEB_PORT", "REQUIRE_API_KEY"]), st.text()))
def test_reading_gives_settings_or_a_settings_error(environ: dict[str, str]) -> None:
    try:
        settings = read(environ)
    except InvalidEnvironment:
        return
    assert 0 <= settings.port <= 65535
