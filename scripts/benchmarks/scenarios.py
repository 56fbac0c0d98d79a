"""What is asked of each target, and how much of it in one round."""

import json
from dataclasses import dataclass
from typing import Any

from load import Job
from processes import Target

QUESTION = [{"role": "user", "content": "What does the clock say?"}]


@dataclass(frozen=True)
class Scenario:
    name: str
    model: str
    clients: int
    requests: int
    seconds: float
    """At most this long a round."""
    path: str = "/v1/chat/completions"
    big: bool = False
    rate: float = 0.0
    """Requests a second; 0 is as many as are answered."""

    def job(self, target: Target, share: float) -> Job:
        body: dict[str, Any] = {"model": f"{target.prefix}{self.model}", "messages": QUESTION}
        if self.model != "m":
            body["stream"] = True
        if self.path.endswith("/messages"):
            body["max_tokens"] = 1000
        if self.big:
            body |= _agent()
        requests = max(self.clients, round(self.requests * share))
        return Job(target.port, self.path, json.dumps(body), self.clients, requests, self.seconds * share, self.rate)


def _agent() -> dict[str, Any]:
    """Make the body of a coding agent late in its day: 60 messages and 40 tools, some 300 KB."""
    schema = {"type": "object", "properties": {f"field_{i}": {"type": "string"} for i in range(20)}}
    tools = [
        {
            "type": "function",
            "function": {"name": f"tool_{i}", "description": "It does a thing. " * 60, "parameters": schema},
        }
        for i in range(40)
    ]
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": f"Line {i} of a long talk. " * 170} for i in range(59)]
    return {"messages": [*messages, *QUESTION], "tools": tools}


SMALL = Scenario("small", "m", clients=1, requests=300, seconds=3)
BUSY = Scenario("busy", "m", clients=32, requests=100_000, seconds=1.5)
BIG = Scenario("big", "m", clients=1, requests=40, seconds=2, big=True)
STREAM = Scenario("stream", "200-0", clients=1, requests=20, seconds=3)
PACED = Scenario("paced", "40-10", clients=32, requests=32, seconds=2)
TRANSLATED = Scenario("translated", "200-0", clients=1, requests=20, seconds=3, path="/v1/messages")
MONITORED = Scenario("monitored", "m", clients=20, requests=100_000, seconds=1, path="/v1/messages", rate=200)
"""A share of it is a second."""
