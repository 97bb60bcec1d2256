"""Engine releases an emulated Pi is tested with: all within setup.cfg's range that have aarch64 wheels for Python 3.11."""

LITERT = ("2.0.2", "2.0.3", "2.1.0", "2.1.1", "2.1.2", "2.1.3", "2.1.4", "2.1.5", "2.1.6", "2.2.0", "2.3.0")
ONNXRUNTIME = (
    "1.22.0", "1.22.1", "1.23.0", "1.23.1", "1.23.2", "1.24.1", "1.24.2", "1.24.3", "1.24.4", "1.25.0", "1.25.1",
    "1.26.0", "1.27.0", "1.28.0", "1.29.0", "1.30.0", "1.31.0", "1.31.1", "1.32.0",
)  # fmt: skip
# What the roots hold and instructions are counted with: a new release must not look like a change of ours.
NEWEST = (f"ai-edge-litert=={LITERT[-1]}", f"onnxruntime=={ONNXRUNTIME[-1]}")
# Dies with an illegal instruction on everything before a Pi 5 (microsoft/onnxruntime#23957).
BELOW_THE_FLOOR = "1.21.0"
