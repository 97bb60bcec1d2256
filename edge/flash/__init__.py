"""From Raspberry Pi OS's own image to a card that segments from its first boot; runs on a workstation."""
