"""Names of the files that sinks write."""

from pathlib import Path


class Names:
    """`STEM.KIND.SUFFIX` in a folder; where two sources share a stem, the second has its whole file name instead."""

    def __init__(self, folder, kind: str):
        self.folder, self.kind, self.taken = Path(folder), kind, {}

    def __call__(self, source: str, suffix: str) -> Path:
        """Where to write what belongs to this source."""
        stem = Path(source).stem
        while self.taken.setdefault(stem, source) != source:
            stem = source if stem != source else f"{stem}_"
        return self.folder / f"{stem}.{self.kind}{suffix}"
