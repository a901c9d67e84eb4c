"""Items made in threads, ahead of who takes them, in order and in bounded memory."""

from __future__ import annotations

import collections
import concurrent.futures
import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def in_threads(
    sources: Iterable[Iterator[T]], workers: int, ahead: int, items: int
) -> Iterator[T]:
    """All items of the sources, one source after the other.

    Args:
      sources: each is gone through by one thread at a time. They are asked for in the
        thread of the caller.
      workers: threads.
      ahead: sources that are begun, at most.
      items: of a source that are made ahead, at most.

    Raises:
      Exception: what a source raises, in its turn.
    """
    pool = concurrent.futures.ThreadPoolExecutor(workers)
    remaining = iter(sources)
    begun: collections.deque[tuple[Iterator[T], concurrent.futures.Future[list[T]]]] = (
        collections.deque()
    )

    def some(source: Iterator[T]) -> list[T]:
        return list(itertools.islice(source, items))

    def begin() -> None:
        while len(begun) < ahead and (source := next(remaining, None)) is not None:
            begun.append((source, pool.submit(some, source)))

    try:
        begin()
        while begun:
            source, future = begun[0]
            found = future.result()
            if len(found) == items:
                begun[0] = (source, pool.submit(some, source))
            else:
                begun.popleft()
                begin()
            yield from found
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
