"""Progress of long work: a bar on a terminal, a line now and then in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LOG_EVERY_SECONDS = 30.0

_LOG = logging.getLogger("tfweak")


class Progress:
    """Shows how far work is, until it is left; see `bar` for a loop over items.

    Args:
      total: how much there is in all; None where nobody knows.
      unit: what is counted, in the singular.
      title: what is being done.
      done: how much was there before.
    """

    def __init__(
        self, total: int | None, unit: str = "it", title: str = "", done: int = 0
    ) -> None:
        self._bar = tqdm(
            total=total, initial=done, unit=unit, desc=title or None, disable=None
        )
        self._title = f"{title}: {unit}" if title else unit
        self._of = "" if total is None else f" of {total}"
        self._first = self._done = done
        self._start = self._last = time.monotonic()

    def add(self, count: int = 1) -> None:
        """Says that so much more is done."""
        self._done += count
        self._bar.update(count)
        self._log("")

    def note(self, text: str) -> None:
        """Says how far one thing of many is."""
        self._bar.set_postfix_str(text)
        self._log(f", {text}")

    def _log(self, more: str) -> None:
        now = time.monotonic()
        if self._bar.disable and now - self._last >= LOG_EVERY_SECONDS:
            self._last = now
            rate = (self._done - self._first) / (now - self._start)
            _LOG.info(
                "%s %d%s, %.1f/s%s", self._title, self._done, self._of, rate, more
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def bar(
    items: Iterable[T], total: int | None = None, unit: str = "it", title: str = ""
) -> Iterator[T]:
    """Passes the items on and shows how far the work is."""
    with Progress(total, unit, title) as progress:
        for item in items:
            yield item
            progress.add()
