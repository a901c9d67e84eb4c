"""Event tables."""

import itertools
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfweak.errors import InputError
from tfweak.evaluation import events as sed
from tfweak.evaluation.event_formats import FileEvents, write_event_files
from tfweak.labels import ClassList, Event

CLASSES = ClassList(
    ("Speech", "Air horn, truck horn", 'The "big" one'), ("/m/0", "/m/1", "/m/2")
)


def test_pauses_are_joined_class_by_class():
    barks = [Event(0, 0.0, 1.0), Event(0, 1.4, 2.0), Event(0, 2.6, 3.0)]
    ticks = [Event(1, 0.5, 0.6), Event(1, 0.5, 0.9), Event(1, 0.9, 1.0)]
    found = sed.join_pauses([*barks, *ticks], 0.5)
    assert found == [Event(0, 0.0, 2.0), Event(1, 0.5, 1.0), Event(0, 2.6, 3.0)]
    assert sed.join_pauses(barks, 0.0) == barks
    # one inside another does not make it shorter
    within = [Event(0, 0.0, 5.0), Event(0, 1.0, 2.0), Event(0, 5.2, 6.0)]
    assert sed.join_pauses(within, 0.0) == [Event(0, 0.0, 5.0), Event(0, 5.2, 6.0)]
    assert sed.join_pauses([], 1.0) == []


# Event tables


def write_events(path, table):
    """As tfweak-predict does."""
    files = [FileEvents(n, 60.0, events, [0.5] * len(events)) for n, events in table]
    write_event_files(path, files, CLASSES.names)


_TIMES = st.integers(0, 60_000).map(lambda milliseconds: milliseconds / 1000)
_EVENTS = st.builds(
    lambda label, times: Event(label, *sorted(times)),
    st.integers(0, len(CLASSES) - 1),
    st.tuples(_TIMES, _TIMES),
)
_FILENAMES = st.text(
    st.characters(blacklist_characters="\t\r\n\0", blacklist_categories=["Cs"]),
    min_size=1,
)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.dictionaries(_FILENAMES, st.lists(_EVENTS, max_size=4), max_size=5))
def test_tables_round_trip(tmp_path, table):
    path = tmp_path / "events.tsv"
    write_events(path, table.items())
    found = sed.read_events(path, CLASSES)
    assert list(found) == list(table)
    for name, events in table.items():
        assert set(found[name]) == set(events)
        assert found[name] == sorted(found[name], key=lambda e: (e[1], e[2], e[0]))
        assert len(found[name]) == len(set(found[name]))


def test_file_names_that_are_not_utf8_survive(tmp_path):
    name = b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    path = tmp_path / "events.tsv"
    write_events(path, [(name, [Event(0, 0.0, 1.0)])])
    assert b"caf\xe9.wav\t" in path.read_bytes()
    assert sed.read_events(path, CLASSES) == {name: [Event(0, 0.0, 1.0)]}


def _table(tmp_path, *rows, header="filename\tonset\toffset\tevent_label"):
    path = tmp_path / "events.tsv"
    path.write_bytes("\r\n".join([header, *rows, ""]).encode())
    return path


def test_reading_merges_duplicates_mids_and_line_ends(tmp_path):
    path = _table(
        tmp_path,
        "b.wav\t3\t4\tSpeech",
        "",
        "a.wav\t5\t6.5\t/m/1",
        "a.wav\t0\t1\tSpeech",
        "a.wav\t0.0\t1.00\t/m/0",  # the same event in other words
        "c.wav\t\t\t",
    )
    assert sed.read_events(path, CLASSES) == {
        "b.wav": [Event(0, 3.0, 4.0)],
        "a.wav": [Event(0, 0.0, 1.0), Event(1, 5.0, 6.5)],
        "c.wav": [],
    }


def test_reading_a_table_with_confidences(tmp_path):
    path = _table(
        tmp_path,
        "a.wav\t0\t1\tSpeech\t0.7",
        "b.wav\t\t\t\t",
        header="filename\tonset\toffset\tevent_label\tconfidence",
    )
    expected = {"a.wav": [Event(0, 0.0, 1.0)], "b.wav": []}
    assert sed.read_events(path, CLASSES) == expected


def test_reading_a_table_with_byte_order_mark(tmp_path):
    path = _table(
        tmp_path,
        "a.wav\t0\t1\tSpeech",
        header="\ufefffilename\tonset\toffset\tevent_label",
    )
    assert sed.read_events(path, CLASSES) == {"a.wav": [Event(0, 0.0, 1.0)]}


@pytest.mark.parametrize(
    "row, message",
    [
        ("a.wav\t2\t1\tSpeech", "0 <= onset <= offset"),
        ("a.wav\tnan\t1\tSpeech", "0 <= onset <= offset"),
        ("a.wav\t0\tnan\tSpeech", "0 <= onset <= offset"),
        ("a.wav\t0\tinf\tSpeech", "0 <= onset <= offset"),
        ("a.wav\t-1\t1\tSpeech", "0 <= onset <= offset"),
        ("a.wav\tone\t1\tSpeech", "must be numbers"),
        ("a.wav\t\t1\tSpeech", "must be numbers"),
        ("a.wav\t0\t1\t", "unknown class ''"),
        ("a.wav\t0\t1\tspeech", "unknown class 'speech'"),
        ("a.wav\t0\t1", "expected 4 tab-separated fields"),
        ("a.wav\t0\t1\tSpeech\tmore", "4 tab-separated fields"),
        ("a.wav,0,1,Speech", "expected 4 tab-separated fields"),
        ("\t0\t1\tSpeech", "a file name first"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, message):
    path = _table(tmp_path, "ok.wav\t0\t1\tSpeech", row)
    with pytest.raises(InputError, match=message) as caught:
        sed.read_events(path, CLASSES)
    assert f"{path}, line 3" in str(caught.value)


def test_unreadable_tables_are_named(tmp_path):
    with pytest.raises(InputError, match="absent.tsv"):
        sed.read_events(tmp_path / "absent.tsv", CLASSES)
    for content in ("", "filename,onset,offset,event_label\n", "a.wav\t0\t1\tSpeech\n"):
        (tmp_path / "x.tsv").write_text(content)
        with pytest.raises(InputError, match="x.tsv, line 1: expected .* header"):
            sed.read_events(tmp_path / "x.tsv", CLASSES)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path, content):
    path = tmp_path / "fuzz.tsv"
    path.write_bytes(b"filename\tonset\toffset\tevent_label\n" + content)
    try:
        found = sed.read_events(path, CLASSES)
    except InputError as error:
        assert "fuzz.tsv" in str(error)
    else:
        for event in itertools.chain.from_iterable(found.values()):
            assert 0 <= event.onset_seconds <= event.offset_seconds < math.inf
