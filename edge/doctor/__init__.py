"""What is wrong on a Pi, and the line that fixes it."""

from edgemask.doctor import board, camera, engines, system
from edgemask.doctor.finding import Finding

__all__ = ["CHECKS", "Finding"]

# Each takes a `Device` and yields its findings.
CHECKS = (
    system.is_a_pi, system.userland, system.clock, system.disk, system.memory,
    camera.seen, camera.picamera2, camera.numpy_abi, camera.contiguous_memory,
    engines.imports, engines.xnnpack, engines.dot_product,
    board.voltage, board.throttling, board.governor,
)  # fmt: skip
