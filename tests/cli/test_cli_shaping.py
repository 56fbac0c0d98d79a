"""Settings of what is done to every request, at the command line."""

from pathlib import Path

from cases import every


def test_a_system_prompt_comes_from_a_file_and_is_shown_shortly(ctl, as_json, tmp_path: Path) -> None:
    assert "system_prompt nothing default" in " ".join(ctl("settings", "get").stdout.split())
    prompt = tmp_path / "prompt.md"
    prompt.write_text(f"\n Be kind.\n{'x' * 500}\n", encoding="utf-8")
    said = ctl("settings", "set", "system_prompt", "--from", str(prompt)).stdout
    assert "Be kind. xxx" in said
    assert "(509 characters)" in said
    assert "x" * 100 not in said + ctl("settings", "get").stdout
    assert as_json("settings", "get", "system_prompt") == {"system_prompt": f"Be kind.\n{'x' * 500}"}
    assert as_json("settings", "set", "system_prompt", "--default") == {"system_prompt": ""}


def test_thinking_is_set_by_mode_tokens_and_effort(ctl, as_json) -> None:
    assert as_json("settings", "set", "thinking.mode", "custom") == {"thinking.mode": "custom"}
    assert as_json("settings", "set", "thinking.budget", "131072") == {"thinking.budget": 131_072}
    assert as_json("settings", "set", "thinking.effort", "high") == {"thinking.effort": "high"}
    assert as_json("settings", "set", "thinking.effort", "--default") == {"thinking.effort": None}
    assert "thinking.effort nothing" in " ".join(ctl("settings", "get").stdout.split())


@every(
    ("name", "value", "says"),
    [
        ("thinking.mode", "always", "thinking.mode is one of passthrough, auto, custom, adaptive, not 'always'"),
        ("thinking.budget", "131073", "thinking.budget takes a whole number from 0 to 131072, not '131073'"),
        ("thinking.budget", "-1", "from 0 to 131072"),
        ("thinking.effort", "extreme", "thinking.effort is one of none, minimal, low"),
        ("system_prompt", " \n ", "system_prompt takes a text of 1 to 65536 bytes"),
        ("system_prompt", "ä" * 32_769, "takes a text of 1 to 65536 bytes, not 'äää"),
    ],
)
def test_nonsense_changes_nothing(ctl, as_json, name: str, value: str, says: str) -> None:
    before = as_json("settings", "get", name)
    refused = ctl("settings", "set", "--", name, value, code=1)
    assert says in " ".join(refused.stderr.split())
    assert len(refused.stderr) < 300
    assert as_json("settings", "get", name) == before


def test_one_value_is_said_in_one_way(ctl, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.write_bytes(b"\xff")
    assert "not in UTF-8" in ctl("settings", "set", "system_prompt", "--from", str(odd), code=1).stderr
    assert "say a value" in ctl("settings", "set", "system_prompt", "x", "--from", str(odd), code=2).stderr
