"""The one exception that means "the input is wrong", with a message for people."""

from __future__ import annotations


class InputError(ValueError):
    """A file, record, flag or argument that cannot be used.

    The message says what was found, where (file, record, row or flag), what was
    expected and what to do. The binaries print it without a traceback and exit
    with status 1.
    """
