"""Network proxies: what they are, when the environment names one, and how a tunnel through one is opened. Pure."""
