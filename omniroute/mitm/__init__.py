"""The HTTP layer inside mitmproxy; the only package that uses mitmproxy's internals."""
