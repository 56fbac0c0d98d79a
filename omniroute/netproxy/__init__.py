"""Network proxies: their URLs, the proxy variables of the environment, and tunnel handshakes. Pure."""
