"""edgemask train: a recipe and labelled pictures to a float checkpoint."""

from pathlib import Path

from edgemask.arguments import parser


def main(arguments) -> int:
    """The verb."""
    options = _options(arguments)
    from edgemask.convert.train.run import train

    return train(options)


def _options(arguments):
    it = parser(
        "train", "Train a model of this family on a COCO-format set; run it again to go on where it was.",
        "edgemask train recipe.toml --out run\n  torchrun --nproc-per-node 4 -m edgemask train recipe.toml --out run",
    )  # fmt: skip
    it.add_argument("recipe", metavar="RECIPE.toml", help="see README: everything about the run")
    it.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoints, curves, and the state to go on from")
    it.add_argument("--device", metavar="cpu|cuda", help="default: a GPU where there is one")
    it.add_argument("--workers", type=int, default=1, metavar="N", help="processes that prepare pictures (default 1)")
    it.add_argument("--leave-out", action="store_true", help="train without pictures and labels that are at fault")
    return it.parse_args(arguments)
