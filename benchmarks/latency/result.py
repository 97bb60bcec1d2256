"""The result's file: JSON that fits one schema, with a card and a page beside it."""

import json
from pathlib import Path

from edgemask.benchmarks.latency.card import card
from edgemask.benchmarks.latency.page import page
from edgemask.errors import DatasetError, MissingLibrary
from edgemask.files import replacing

LAYOUT = Path(__file__).with_name("result.schema.json")


def write(path, result: dict) -> list[Path]:
    """Write `path` (JSON), its card (.md) and its page (.html), each whole or not at all; their paths."""
    path = Path(path)
    contents = {
        path: json.dumps(result, indent=1) + "\n",
        path.with_suffix(".md"): card(result),
        path.with_suffix(".html"): page(result),
    }
    for each, content in contents.items():
        with replacing(each) as temporary:
            temporary.write_text(content)
    return list(contents)


def read(path) -> dict:
    """A result; raises DatasetError where it is none, MissingLibrary without jsonschema."""
    try:
        result = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON: {error}") from error
    check(result, path)
    return result


def check(result, path):
    """Raise DatasetError, a sentence that says where, for a result that does not fit the schema."""
    try:
        import jsonschema
    except ImportError as error:
        raise MissingLibrary("reading results needs jsonschema: pip install 'edgemask[bench]'") from error
    errors = jsonschema.Draft202012Validator(json.loads(LAYOUT.read_text())).iter_errors(result)
    if worst := jsonschema.exceptions.best_match(errors):
        raise DatasetError(f"{path} is no result of edgemask bench: {worst.message[:200]} at {worst.json_path}")
