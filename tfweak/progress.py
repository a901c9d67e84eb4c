"""Progress of long work: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LOG_EVERY_SECONDS = 30.0


def bar(
    items: Iterable[T], total: int | None = None, unit: str = "it", title: str = ""
) -> Iterator[T]:
    """Passes the items on and shows how far the work is, on standard error."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, unit=unit, desc=title or None)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - last >= LOG_EVERY_SECONDS:
            last = now
            of = f" of {total}" if total else ""
            print(
                f"{title or 'progress'}: {done}{of} {unit}, {now - start:.0f} s",
                file=sys.stderr,
                flush=True,
            )
        yield item
