"""The gateway as a program: mitmproxy with our suite in it, with mitmweb or lean."""
