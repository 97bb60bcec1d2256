"""Float, ONNX Runtime int8 and LiteRT int8 side by side, for every output of every stage.

    python -m edgemask.benchmarks.agreement PICTURES [BUNDLE] [--count 64] [--json]

PICTURES is a folder. The float reference is the bundle that `edgemask convert` puts beside BUNDLE. ONNX
Runtime runs its exact kernels (edgemask.engines.onnx).
"""

import argparse
import json

from edgemask import pictures
from edgemask.agreement import agreement, table
from edgemask.bundle import SHIPPED, Bundle, float_sibling
from edgemask.model import Model
from edgemask.progress import progress


def main():
    """Print the table."""
    it = argparse.ArgumentParser(prog="python -m edgemask.benchmarks.agreement", description=__doc__.splitlines()[0])
    it.add_argument("pictures", help="a folder of pictures")
    it.add_argument("bundle", nargs="?", default=SHIPPED, help="default: the shipped person model")
    it.add_argument("--count", type=int, default=64, help="pictures to use (default 64)")
    it.add_argument("--json", action="store_true")
    options = it.parse_args()
    bundle = Bundle(options.bundle)
    paths = pictures.listing(options.pictures)[: options.count]
    rgbs = map(pictures.read, progress(paths, "pictures"))
    int8 = {engine: Model(bundle, engine) for engine in bundle.engines()}
    found = agreement(Model(Bundle(float_sibling(options.bundle))), int8, rgbs)
    print(json.dumps(found) if options.json else "\n".join(table(found)))


if __name__ == "__main__":
    main()
