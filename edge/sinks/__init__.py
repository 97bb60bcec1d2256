"""Sinks: where results go. Each is a context manager with `write(frame, detections)`; `paths` is what it wrote."""
