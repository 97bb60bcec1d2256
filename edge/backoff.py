"""How long to wait before trying again."""


class Backoff:
    """Seconds before each new try, doubling from `first` to `longest`; `reset` after a success.

    >>> backoff = Backoff()
    >>> [backoff() for _ in range(7)]
    [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    """

    def __init__(self, first: float = 1.0, longest: float = 30.0):
        self.first, self.longest, self.delay = first, longest, first

    def __call__(self) -> float:
        delay, self.delay = self.delay, min(2 * self.delay, self.longest)
        return delay

    def reset(self):
        self.delay = self.first
