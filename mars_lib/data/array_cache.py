"""A cache with a bound: arrays by key, those used least recently go first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np

GIB = 1 << 30


class ArrayCache:
    """At most `limit` bytes of arrays; several threads may ask.

    An array larger than that is never kept.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self.size = 0
        self._held: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["ArrayCache"], tuple[int]]:
        # A process that gets a copy begins with an empty one: a lock cannot be sent.
        return ArrayCache, (self.limit,)

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of a key, made where it is not held."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        array = make()
        with self._lock:
            if key not in self._held and array.nbytes <= self.limit:
                self._held[key] = array
                self.size += array.nbytes
            while self.size > self.limit:
                self.size -= self._held.popitem(last=False)[1].nbytes
        return array
