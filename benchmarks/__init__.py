"""What it costs: memory, start-up and, per device, latency."""
