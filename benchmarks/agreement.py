"""Float, ONNX Runtime int8 and LiteRT int8 side by side, for every output of every stage.

    python -m edgemask.benchmarks.agreement PICTURES [BUNDLE] [--count 64] [--json]

PICTURES is a folder. The float reference is the bundle that `edgemask convert` puts beside BUNDLE. ONNX
Runtime runs its exact kernels (edgemask.engines.onnx).
"""

import argparse
import json
import sys

from edgemask import pictures
from edgemask.agreement import agreement, table
from edgemask.arguments import count
from edgemask.bundle import SHIPPED, Bundle, float_sibling
from edgemask.command import exit_code
from edgemask.errors import BundleError
from edgemask.model import Model
from edgemask.progress import progress


def main():
    """Print the table."""
    it = argparse.ArgumentParser(prog="python -m edgemask.benchmarks.agreement", description=__doc__.splitlines()[0])
    it.add_argument("pictures", help="a folder of pictures")
    it.add_argument("bundle", nargs="?", default=SHIPPED, help="default: the shipped person model")
    it.add_argument("--count", type=count, default=64, help="pictures to use (default 64)")
    it.add_argument("--json", action="store_true")
    options = it.parse_args()
    paths = pictures.listing(options.pictures)[: options.count]
    bundle, exact = Bundle(options.bundle), float_sibling(options.bundle)
    if not exact.exists():
        raise BundleError(f"{exact} does not exist: edgemask convert makes it beside {bundle.path.name}")
    rgbs = map(pictures.read, progress(paths, "pictures"))
    int8 = {engine: Model(bundle, engine, dense=bundle.dense) for engine in bundle.engines()}
    found = agreement(Model(Bundle(exact), dense=bundle.dense), int8, rgbs)
    print(json.dumps(found) if options.json else "\n".join(table(found)))


if __name__ == "__main__":
    sys.exit(exit_code(main))
