"""Items come in order, no more are made ahead than was said, and errors arrive."""

import threading

import pytest

from tfweak.models.streaming.ahead import in_threads


def test_items_come_in_order_and_few_are_made_ahead():
    made, lock = [], threading.Lock()

    def source(number):
        for item in range(10):
            with lock:
                made.append((number, item))
            yield number, item

    taken = []
    for item in in_threads((source(n) for n in range(6)), 2, ahead=3, items=4):
        taken.append(item)
        with lock:
            # of three sources four each, and four that are handed out just now
            assert len(made) - len(taken) <= 3 * 4 + 4
    assert taken == [(n, item) for n in range(6) for item in range(10)]


def test_sources_are_asked_for_as_they_are_needed_and_by_the_caller():
    asked = []

    def sources():
        for number in range(100):
            asked.append(threading.current_thread())
            yield iter([number])

    items = in_threads(sources(), 2, ahead=3, items=4)
    assert next(items) == 0 and len(asked) <= 4
    assert set(asked) == {threading.current_thread()}
    items.close()
    assert len(asked) <= 4


def test_an_error_comes_in_its_turn():
    def fails():
        yield "b"
        raise ValueError("broken")

    items = in_threads([iter("a"), fails(), iter("c")], 2, ahead=3, items=2)
    assert next(items) == "a"
    with pytest.raises(ValueError, match="broken"):
        list(items)
