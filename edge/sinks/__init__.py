"""Sinks: where results go, each a `Sink`."""
