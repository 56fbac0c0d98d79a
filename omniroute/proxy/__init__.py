"""The only place that touches mitmproxy's internals."""
