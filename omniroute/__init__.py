"""One local endpoint in front of every LLM provider, as a suite of mitmproxy addons."""

__version__ = "0.1.0"
