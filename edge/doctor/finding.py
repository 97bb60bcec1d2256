"""One thing that doctor found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A stable code, a sentence, and the line that fixes it; `wrong` is False for what is only worth knowing."""

    code: str
    sentence: str
    fix: str = ""
    wrong: bool = True
