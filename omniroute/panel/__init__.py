"""The management API and the web panel: inspect and control a running gateway over HTTP."""
