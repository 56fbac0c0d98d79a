"""Between two sides of one dialect, settings change their own fields and not a byte beside them."""

import orjson
from cases import every

from omniroute.dialects import hub
from omniroute.dialects.shaping.common import Shape, ThinkingSettings

PROMPT = Shape(system_prompt='Say "hé"')
SAID = 'Say \\"hé\\"'
CLAUDE = (
    '{ "model":"m", "system" : [ {"type":"text","text":"caf\\u00e9","cache_control":{}} ], "x":1.50,\n'
    ' "max_tokens":4e3%s , "messages":[]}'
)


def prepared(dialect: str, raw: str, shape: Shape, *, model: str = "m", renamed: bool = False) -> str:
    how = {"stream": False, "stream_usage": True, "max_output": 2000}
    made = hub.prepare(
        dialect, dialect, raw.encode(), orjson.loads(raw), model=model, shape=shape, renamed=renamed, **how
    )
    return made.raw.decode()


@every(
    ("dialect", "raw", "old", "new"),
    [
        ("claude", CLAUDE % "", "[ {", '[ {"type":"text","text":"%s"},{'),
        ("claude", '{"model":"m","system" : "caf\\u00e9", "max_tokens":9}', '"caf', '"%s\\n\\ncaf'),
        (
            "openai",
            '{"messages": [ {"role":"user","content":"\\u00e9"} ],"a":1.0}',
            '[ {"role"',
            '[ {"role":"system","content":"%s"},{"role"',
        ),
        ("openai", '{"messages": [ {"content":"\\u00e9", "role":"system"} ],"a":1.0}', '"\\u00e9', '"%s\\n\\n\\u00e9'),
        ("responses", '{"input" : "\\u00e9", "instructions": "x\\/y"}', '"x', '"%s\\n\\nx'),
        (
            "gemini",
            '{"system_instruction": {"parts":[ {"text":"\\u00e9"} ]}, "contents":[]}',
            '[ {"text"',
            '[ {"text":"%s"},{"text"',
        ),
    ],
)
def test_a_prompt(dialect: str, raw: str, old: str, new: str) -> None:
    assert prepared(dialect, raw, PROMPT) == raw.replace(old, new % SAID, 1)


def test_thinking() -> None:
    shape = Shape(ThinkingSettings("custom", 2000))
    thinking = ',"thinking":{"type":"enabled","budget_tokens":2000}'
    raw = CLAUDE.replace("4e3", "4000") % ""
    turns = '[{"role":"user","content":"x"}]'
    raw = raw.replace('"messages":[]', f'"messages":{turns}').replace('"m"', '"claude-sonnet-4-5"')
    made = raw.replace(f'"messages":{turns}', f'"messages":{turns}{thinking}')
    assert prepared("claude", raw, shape, model="claude-sonnet-4-5") == made
    assert prepared("claude", made, Shape(ThinkingSettings("auto")), model="claude-sonnet-4-5") == raw


def test_what_a_stand_in_would_refuse() -> None:
    raw = '{"messages":[], "reasoning_effort" : "high" , "seed": 1.0, "max_tokens": 2001 }'
    assert prepared("openai", raw, Shape()) == raw
    made = '{"messages":[], "seed": 1.0, "max_tokens": 2000 }'
    assert prepared("openai", raw, Shape(), renamed=True) == made
