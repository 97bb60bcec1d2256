"""An engine without a network, for tests of what comes before and after one."""

import numpy as np


class FakeEngine:
    """Answers every call with the same outputs.

    >>> model.engines["box"] = FakeEngine(box_scores=scores, box_deltas=deltas)

    outputs: arrays by name, of the manifest's dtype, their first axis cut to the batch of the call.
    """

    def __init__(self, **outputs: np.ndarray):
        self.outputs = outputs

    def __call__(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """The canned outputs."""
        return {name: value[: len(values)] for name, value in self.outputs.items()}
