"""README's Python blocks run as they stand."""

import re
import runpy

import pytest

README = __import__("pathlib").Path(__file__).parents[2] / "README.md"
# tests/camera runs the block that needs a camera.
BLOCKS = [block for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if "picamera2" not in block]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_python_block(number, tmp_path, astronaut_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.jpg").write_bytes(astronaut_path.read_bytes())
    (tmp_path / "block.py").write_text(BLOCKS[number])
    runpy.run_path(str(tmp_path / "block.py"))
    assert "person" in capsys.readouterr().out
