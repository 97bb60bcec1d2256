"""Workstation room: float checkpoint in, bundle out."""
