"""What is tried out: for each feature a request, the answer to it, and what of both has to come through."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from omniroute.bench.vocabulary import BenchRequest, Call, Result, Script, Turn
from omniroute.catalog.provider import DialectName

type Kind = Literal["answer", "count", "refusal", "broken"]


@dataclass(frozen=True, slots=True)
class Feature:
    id: str
    title: str
    ask: Callable[[str], BenchRequest]
    """A word of its own -> the request: each one that is sent is another, so nothing is answered from a cache."""
    script: Callable[[str], Script]
    told: tuple[str, ...] = ()
    """What of the request has to be in the one that the upstream gets."""
    spoken: tuple[str, ...] = ("text", "end", "input", "output")
    """What of the answer the client has to hear."""
    kind: Kind = "answer"
    clients: tuple[DialectName, ...] = ("openai", "responses", "claude", "gemini")
    real: bool = True
    """A real account can be asked for it."""


def _question(word: str, **more: Any) -> BenchRequest:
    return BenchRequest((Turn("user", f"This is test {word}. Say hello."),), **more)


def _weather(word: str, **more: Any) -> BenchRequest:
    words = f"This is test {word}. What is the weather in Oslo and in Rome? Call the tool once for each city."
    return BenchRequest((Turn("user", words),), tools=True, **more)


def _results(word: str) -> BenchRequest:
    first = _weather(word)
    calls = Call(f"call_1_{word}", "Oslo"), Call(f"call_2_{word}", "Rome")
    told = Result(f"call_1_{word}", "rain in Oslo"), Result(f"call_2_{word}", "sun in Rome")
    turns = (*first.turns, Turn("assistant", "I will look.", calls=calls), Turn("user", results=told))
    return replace(first, turns=turns)


def _talk(word: str) -> BenchRequest:
    turns = Turn("user", "One."), Turn("assistant", "Uno."), Turn("user", f"Test {word}: two.")
    return BenchRequest(turns, system=f"Translate numbers to Italian. Test {word}.")


def _picture(word: str) -> BenchRequest:
    return BenchRequest((Turn("user", f"This is test {word}. Which colour is this?", image=True),))


def _hello(word: str) -> Script:
    return Script(f"Hello, «{word}» — grüß dich.")


def _musing(word: str) -> Script:
    return Script(f"Hello, {word}.", thought=f"Somebody says {word} to me.")


def _calls(word: str) -> Script:
    return Script(f"I will look, {word}.", cities=("Oslo", "Rome"))


def _shaped(word: str) -> Script:
    return Script(json.dumps({"city": word, "degrees": 7}))


FEATURES = (
    Feature("text", "Text", _question, _hello, ("user",)),
    Feature("stream", "Text, streamed", lambda word: _question(word, stream=True), _hello, ("user",)),
    Feature("system", "System prompt and turns", _talk, _hello, ("system", "user", "assistant")),
    Feature("settings", "Temperature, limit, stop words",
            lambda word: _question(word, temperature=0.5, stop="END", limit=777), _hello,
            ("user", "temperature", "stop", "limit")),
    Feature("tool", "Tool call", _weather, lambda word: replace(_calls(word), cities=("Oslo",)), ("user", "tools"),
            ("text", "calls", "end")),
    Feature("parallel", "Parallel calls, streamed", lambda word: _weather(word, stream=True), _calls, ("user", "tools"),
            ("text", "calls", "end")),
    Feature("results", "Results of tools", _results, _hello, ("user", "assistant", "tools", "calls", "results")),
    Feature("image", "Picture", _picture, _hello, ("user", "images")),
    Feature("thinking", "Thinking", lambda word: _question(word, thinks=True), _musing, ("user", "thinks"),
            ("thought", "text", "end")),
    Feature("thoughts", "Thinking, streamed", lambda word: _question(word, thinks=True, stream=True), _musing,
            ("user", "thinks"), ("thought", "text", "end")),
    Feature("schema", "JSON schema", lambda word: _question(word, schema=True), _shaped, ("user", "schema"),
            ("text", "end")),
    Feature("count", "Count of tokens", _question, _hello, kind="count", clients=("claude", "gemini")),
    Feature("refusal", "Refusal", _question, lambda word: Script(f"This is refused, {word}.", status=400),
            kind="refusal", real=False),
    Feature("limit", "Too many requests", _question, lambda word: Script(f"Slow down, {word}.", status=429),
            kind="refusal", real=False),
    Feature("broken", "Stream that breaks off", lambda word: _question(word, stream=True),
            lambda word: replace(_hello(word), breaks=True), ("user",), kind="broken", real=False),
)  # fmt: skip
BY_ID = {each.id: each for each in FEATURES}
