"""Shards opened as one data set: parts of it by id, counts, fingerprints, refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfweak.data import records, sources
from tfweak.errors import InputError
from tfweak.extractors.vggish import RELEASED_EMBEDDINGS
from tfweak.labels import ClassList, Event

CLASSES = ClassList(("a", "b", "c"), ("/m/a", "/m/b", "/m/c"))
ROWS = np.zeros((1, 128), np.uint8)


def write(folder, clips, classes=CLASSES):
    """A folder with a shard of (id, labels, events) clips."""
    folder.mkdir()
    payload = RELEASED_EMBEDDINGS
    made = [records.Clip(name, labels, ROWS, events) for name, labels, events in clips]
    records.write_shard(
        folder / "x.tfrecord", [records.encode(clip, payload) for clip in made]
    )
    records.DatasetInfo("x", payload, classes).write(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """600 clips, more than are read at a time; each fourth has strong labels."""
    clips = [
        (f"clip-{i}", [i % 3], [Event(i % 3, 0.0, 0.96)] if i % 4 == 0 else None)
        for i in range(600)
    ]
    return sources.open_data([write(tmp_path_factory.mktemp("x") / "data", clips)])


def ids(part):
    return set(part.clip_ids)


def test_a_validation_part_has_about_its_share(data):
    train, valid = data.split(0.25)
    # 150 expected; the standard deviation is sqrt(600 * 0.25 * 0.75) = 10.6
    assert 108 < len(valid) < 192 and len(train) + len(valid) == 600


def test_a_fold_is_the_rest_and_its_own(data):
    folds = data.folds(4, seed=3)
    for rest, own in folds:
        # as above
        assert 108 < len(own) < 192 and len(rest) + len(own) == 600
        assert ids(rest) | ids(own) == ids(data)
    owned = [name for _, own in folds for name in own.clip_ids]
    assert len(owned) == 600 and set(owned) == ids(data)
    # another seed deals anew
    assert ids(data.folds(2, seed=4)[0][1]) != ids(folds[0][1]) | ids(folds[1][1])
    with pytest.raises(InputError, match="2 at least"):
        data.folds(1)
    with pytest.raises(InputError, match="one stays empty"):
        data.folds(5000)


def test_a_part_of_a_part_is_in_both(data):
    train, test = data.folds(4)[0]
    inner, valid = train.split(0.5, seed=9)
    assert ids(inner) | ids(valid) == ids(train)
    assert not ids(inner) & ids(test) and not ids(valid) & ids(test)
    # what is read is what was counted
    assert len(list(valid.open_serialized())) == len(valid)


def test_counts_are_the_parts_own(data):
    for part in (data, *data.split(0.25)):
        numbers = [int(name.decode().split("-")[1]) for name in part.clip_ids]
        counts = [sum(i % 3 == label for i in numbers) for label in range(3)]
        assert part.label_counts.tolist() == counts
        assert part.num_strong == sum(i % 4 == 0 for i in numbers)


def test_without_leaves_out_just_the_clips_of_a_list(data):
    out = [b"clip-7", b"clip-11", b"clip-399", b"clip-7", b"not here"]
    assert ids(data.without(out)) == ids(data) - set(out)
    assert ids(data.without([])) == ids(data)
    # one clip is left, whichever: also those whose hash lies outside the list's range
    order = sorted(data.clip_ids, key=lambda name: sources.uniform_hash(name, 0, 0))
    for kept in (order[0], order[200], order[-1]):
        others = [name for name in data.clip_ids if name != kept]
        assert ids(data.without(others)) == {kept}
    with pytest.raises(InputError, match="all 600 clips are excluded"):
        data.without(data.clip_ids)


def test_uniform_hashes_spread_over_the_unit_interval():
    names = np.array([str(i).encode() for i in range(2000)], object)
    shares = sources.uniform_hash(names, 1, 2)
    # of 2000 uniform numbers 500 in each quarter; the standard deviation is 19
    counts = np.histogram(shares, [0, 0.25, 0.5, 0.75, 1])[0]
    assert counts.sum() == 2000 and np.abs(counts - 500).max() < 100
    for other in (sources.uniform_hash(names, 2, 2), sources.uniform_hash(names, 1, 3)):
        assert abs(np.corrcoef(shares, other)[0, 1]) < 0.1


def test_fingerprints_know_the_clips_and_not_their_order(tmp_path):
    def fingerprint(name, *clip_ids):
        folder = write(tmp_path / name, [(clip, [0], None) for clip in clip_ids])
        return sources.open_data([folder]).fingerprint()

    one = fingerprint("one", "p", "q", "r")
    assert one == fingerprint("two", "r", "p", "q")
    assert one["num_clips"] == 3 and one["classes"] == CLASSES.digest
    prints = {fingerprint(x, *x)["clip_ids"] for x in ("p", "q", "pq", "pr", "pqs")}
    assert len({*prints, one["clip_ids"]}) == 6


def test_fingerprints_of_many_clips_that_differ_in_one(data):
    one, other = (data.without([name]).fingerprint() for name in (b"clip-5", b"clip-6"))
    assert one["num_clips"] == other["num_clips"] == 599
    assert one["clip_ids"] != other["clip_ids"]


def test_a_tag_that_a_clip_lists_twice_counts_once(tmp_path):
    clips = [("p", [2, 0, 2], None), ("q", [2], None)]
    found = sources.open_data([write(tmp_path / "x", clips)])
    assert found.label_counts.tolist() == [1, 0, 2]


@pytest.mark.parametrize("label", [-1, 3])
def test_the_first_labels_out_of_range(tmp_path, label):
    # encoded as they stand; 0 and 2 are the ends of what there is
    clips = [("p", [0, 2], None), ("the-id", [label], None)]
    with pytest.raises(InputError, match=f"'the-id'.*label {label},.*0 to 2"):
        sources.open_data([write(tmp_path / "x", clips)])


def test_shards_alone_are_official_ones_of_527_classes(tmp_path):
    folder = write(tmp_path / "x", [("p", [526], None)])
    (folder / records.INFO_NAME).unlink()
    found = sources.open_data([folder])
    assert len(found.classes) == 527 and found.label_counts[526] == 1


def test_classes_are_the_same_by_their_ids(tmp_path):
    one = write(tmp_path / "one", [("p", [0], None)])
    renamed = ClassList(("A", "B", "C"), CLASSES.mids)
    two = write(tmp_path / "two", [("q", [0], None)], renamed)
    assert sources.open_data([one, two]).classes == CLASSES
    other = ClassList(CLASSES.names, ("/m/a", "/m/c", "/m/b"))
    three = write(tmp_path / "three", [("r", [0], None)], other)
    with pytest.raises(
        InputError,
        match="three: its 3 classes are not the 3 of .*one; prepare both again with one"
        " list: tfweak-prepare classes=CSV$",
    ):
        sources.open_data([one, three])
    with pytest.raises(
        InputError,
        match="three: its 3 classes are not the 1 of the class list given; prepare it"
        " again with that list, which a run has: tfweak-prepare"
        " classes=RUN/classes.csv$",
    ):
        sources.open_data([three], ClassList(("A",)))
    with pytest.raises(InputError, match="no data folder"):
        sources.open_data([])


def test_differences_of_payloads_are_all_named():
    one = records.Payload("log_mel", "float16", {"rate": 1, "only": 2})
    assert sources.difference(one, one) == ""
    other = dataclasses.replace(one, dtype="uint8", parameters={"rate": 3, "new": 4})
    assert sources.difference(one, other) == (
        "dtype is 'float16', not 'uint8'; new is None, not 4; only is 2, not None;"
        " rate is 1, not 3"
    )


def test_bytes_that_belong_to_no_record_are_named(tmp_path):
    folder = write(tmp_path / "data", [("a", [0], None), ("b", [1], None)])
    with open(folder / "x.tfrecord", "ab") as file:
        file.write(b"junk")
    with pytest.raises(InputError, match="x.tfrecord: broken or truncated"):
        sources.open_data([folder])
