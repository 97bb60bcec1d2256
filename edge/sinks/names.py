"""Names of the files that sinks write."""

from pathlib import Path


class Names:
    """`STEM.KIND.SUFFIX` in a folder; the whole file name stands for the stem where two sources share it."""

    def __init__(self, folder, kind: str):
        self.folder, self.kind, self.taken = Path(folder), kind, {}

    def __call__(self, source: str, suffix: str) -> Path:
        """Where to write what belongs to this source."""
        stem = Path(source).stem
        if self.taken.setdefault(stem, source) != source:
            stem = source
        return self.folder / f"{stem}.{self.kind}{suffix}"
