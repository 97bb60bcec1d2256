"""Workstation room: calibration sets and activation ranges."""
