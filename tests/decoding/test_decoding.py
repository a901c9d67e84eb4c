"""Scores to events: by thresholds, by the ways a run knows, and stored again."""

import itertools
import json

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from tfweak.decoding.decoder import DECODERS, create_decoder
from tfweak.decoding.decoding import CLIP_SCORES, Decoding, Rows, decode_events
from tfweak.decoding.scores import SOURCES, available
from tfweak.errors import InputError
from tfweak.labels import Event, SegmentGrid

ONE_SECOND = SegmentGrid(1.0, 1.0)


def _column(*scores):
    return np.array(scores, np.float32)[:, None]


def test_runs_become_events():
    probs = _column(0.9, 0.5, 0.2, 0.8)
    expected = [Event(0, 0.0, 2.0), Event(0, 3.0, 4.0)]
    assert decode_events(probs, ONE_SECOND, 0.5) == expected
    joined = decode_events(probs, ONE_SECOND, 0.5, max_gap_seconds=1.0)
    assert joined == [Event(0, 0.0, 4.0)]


def test_times_come_from_the_grid_and_stay_in_the_clip():
    # Slots of 0.96 s from -0.48 s: the first is cut at 0, the last, 2.4-3.36 s, at 3.
    grid = SegmentGrid(0.96, 0.975, -0.48)
    probs = _column(1, 0, 0, 1)
    found = decode_events(probs, grid, 0.5, duration_seconds=3.0)
    assert [e.label for e in found] == [0, 0]
    np.testing.assert_allclose([e[1:] for e in found], [(0, 0.48), (2.4, 3.0)])
    # Without a duration nothing is cut at the end; a slot beyond the end is no event.
    assert decode_events(probs, grid, 0.5)[-1].offset_seconds == pytest.approx(3.36)
    assert len(decode_events(probs, grid, 0.5, duration_seconds=2.4)) == 1


def test_thresholds_per_class_and_the_clip_gate():
    probs = np.full((2, 3), 0.6)
    found = decode_events(probs, ONE_SECOND, np.array([0.6, 0.61, 0.1]))
    assert [e.label for e in found] == [0, 2]
    gated = decode_events(
        probs,
        ONE_SECOND,
        np.array([0.6, 0.61, 0.1]),
        clip_probs=np.array([0.3, 0.9, 0.2]),
        clip_thresholds=np.array([0.3, 0.3, 0.3]),
    )
    assert [e.label for e in gated] == [0]


def test_sorted_by_onset_then_offset_then_class():
    probs = np.array([[0, 1, 1, 1], [1, 1, 0, 1], [1, 0, 0, 1]], np.float64)
    found = decode_events(probs, ONE_SECOND, 0.5)
    assert found == [
        Event(2, 0.0, 1.0),
        Event(1, 0.0, 2.0),
        Event(3, 0.0, 3.0),
        Event(0, 1.0, 3.0),
    ]


def test_short_events_are_dropped_after_joining():
    # Two runs of one slot with a pause of one slot between join to 3 slots of 0.16 s:
    # 0.48 s, although the difference of their times may round to less.
    grid = SegmentGrid(0.16, 1.0)
    probs = _column(0, 0, 1, 0, 1, 0, 0, 0, 1)
    settings_ = {"min_duration_seconds": 0.48, "max_gap_seconds": 0.16}
    found = decode_events(probs, grid, 0.5, **settings_)
    assert len(found) == 1
    assert found[0][1:] == pytest.approx((0.32, 0.8))
    assert not decode_events(probs, grid, 0.5, min_duration_seconds=0.48)
    for first in range(40):
        late = np.zeros((50, 1))
        late[[first, first + 2]] = 1
        assert len(decode_events(late, grid, 0.5, **settings_)) == 1


@settings(max_examples=60, deadline=None)
@given(
    st_numpy.arrays(np.float64, (13, 2), elements=st.floats(0, 1)),
    st.sampled_from([3, 5, 7]),
)
def test_median_filter_of_decisions_is_that_of_scores(probs, length):
    half = length // 2
    padded = np.pad(probs, ((half, half), (0, 0)), mode="symmetric")
    smooth = np.stack([np.median(padded[t : t + length], axis=0) for t in range(13)])
    assert decode_events(
        probs, ONE_SECOND, 0.4, median_filter_segments=length
    ) == decode_events(smooth, ONE_SECOND, 0.4)


def test_median_filter_by_hand():
    # Length 3 removes the lone segment 1 and fills the lone pause 5.
    probs = _column(0, 1, 0, 0, 1, 0, 1, 1)
    found = decode_events(probs, ONE_SECOND, 0.5, median_filter_segments=3)
    assert found == [Event(0, 5.0, 8.0)]


@settings(max_examples=100, deadline=None)
@given(
    st_numpy.arrays(
        bool, st.tuples(st.integers(0, 20), st.integers(1, 4)), elements=st.booleans()
    ),
    st.sampled_from([(1.0, 0.0), (0.96, 0.0), (0.16, 0.3)]),
)
def test_decoding_inverts_the_segment_labels(active, timing):
    grid = SegmentGrid(timing[0], 1.0, timing[1])
    found = decode_events(active.astype(np.float32), grid, 0.5)
    np.testing.assert_array_equal(grid.labels(found, *active.shape), active)
    # As few events as there are runs, counted independently.
    runs = sum(
        key for column in active.T for key, _ in itertools.groupby(column.tolist())
    )
    assert len(found) == runs


@pytest.mark.parametrize(
    "probs, options, message",
    [
        (np.zeros(4), {}, "segments, classes"),
        (np.full((4, 2), np.nan), {}, "NaN"),
        (np.zeros((4, 2)), {"median_filter_segments": 4}, "odd"),
        (np.zeros((4, 2)), {"median_filter_segments": 0}, "odd"),
        (np.zeros((4, 2)), {"thresholds": np.zeros(3)}, "thresholds"),
        (np.zeros((4, 2)), {"thresholds": np.nan}, "thresholds"),
        (np.zeros((4, 2)), {"clip_probs": np.zeros(2)}, "belong together"),
        (np.zeros((4, 2)), {"clip_thresholds": 0.5}, "belong together"),
        (
            np.zeros((4, 2)),
            {"clip_probs": np.zeros(3), "clip_thresholds": 0.5},
            "clip_probs",
        ),
    ],
)
def test_decoding_refuses_what_does_not_fit(probs, options, message):
    with pytest.raises(InputError, match=message):
        decode_events(probs, ONE_SECOND, **{"thresholds": 0.5, **options})


def test_a_score_equal_to_the_threshold_is_active_whatever_its_type():
    # 0.7 as float32 is 0.699999988, which is below 0.7 as float64.
    for value in (0.1, 0.3, 0.7, 0.9):
        for kind in (np.float32, np.float64):
            assert decode_events(np.full((2, 1), value, kind), ONE_SECOND, value)


def test_logits_are_scores_too():
    # 0 -1 -1 | 2 -1 3 2: the median of three of -1 (the lone pause) is 2; a score of -1
    # is one as any other.
    probs = _column(0, -1, -1, 2, -1, 3, 2)
    found = decode_events(probs, ONE_SECOND, 0.5, median_filter_segments=3)
    assert found == [Event(0, 4.0, 7.0)]
    assert decode_events(probs, ONE_SECOND, -2.0) == [Event(0, 0.0, 7.0)]


# --- the ways a run knows ---


def _decoding(name="threshold", thresholds=(0.5, 0.5), clips=(0.3, 0.3), **more):
    settings_ = more.pop("settings", {})
    return Decoding(
        create_decoder(name, settings_), np.array(thresholds), np.array(clips), **more
    )


def _outputs(rng, segments=7, classes=2, clip_rows=1):
    return {
        "segment_probs": rng.random((segments, classes), np.float32),
        "attention_logits": rng.normal(size=(segments, classes)).astype(np.float32),
        "localization": rng.random((segments, classes), np.float32),
        CLIP_SCORES: rng.random((clip_rows, classes), np.float32),
    }


def test_a_decoding_is_the_same_after_json():
    rng = np.random.default_rng(0)
    for name, source in itertools.product(DECODERS.names(), SOURCES.names()):
        thresholds = (rng.random(50) * 10.0 ** -rng.integers(0, 6, 50)).clip(1e-6)
        one = _decoding(
            name,
            thresholds,
            rng.random(50),
            scores=source,
            clip_power=0.5,
            settings={"max_gap_seconds": 0.3},
        )
        document = json.loads(json.dumps(one.to_dict(), allow_nan=False))
        again = Decoding.from_dict(document)
        np.testing.assert_array_equal(again.thresholds, one.thresholds)
        np.testing.assert_array_equal(again.clip_thresholds, one.clip_thresholds)
        assert (again.decoder, again.scores) == (one.decoder, source)
        assert again.clip_power == 0.5 and again.to_dict() == one.to_dict()
    assert _decoding(thresholds=[0.1, 0.7]).to_dict()["thresholds"] == [0.1, 0.7]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"scores": "segments"}, "score_source 'segments'"),
        ({"decoder": {"name": "treshold", "settings": {}}}, "treshold"),
        ({"decoder": {"name": "threshold", "settings": {"gap": 1}}}, "gap"),
        (
            {"decoder": {"name": "threshold", "settings": {"min_seconds": -1}}},
            "min_seconds",
        ),
        ({"thresholds": [0.5, 1.5]}, "thresholds"),
        ({"thresholds": [0.5, float("nan")]}, "thresholds"),
        ({"thresholds": [[0.5, 0.5]]}, "thresholds"),
        ({"thresholds": 0.5}, "thresholds"),
        ({"thresholds": [0.0, 0.5]}, "thresholds: 0 is reached"),
        ({"clip_thresholds": [-0.1, 0.5]}, "clip_thresholds"),
        ({"thresholds": [0.5]}, "1 thresholds of segments, but 2 of clips"),
        ({"clip_power": -0.5}, "clip_power is -0.5"),
        ({"clip_power": float("nan")}, "clip_power"),
    ],
)
def test_documents_of_another_form_are_refused(change, message):
    document = {**_decoding().to_dict(), **change}
    with pytest.raises(InputError, match=message):
        Decoding.from_dict(document)


@pytest.mark.parametrize(
    "change, error",
    [
        ({"more": 1}, TypeError),
        ({"clip_power": "high"}, TypeError),
        ({"clip_power": None}, TypeError),
        ({"decoder": ["threshold"]}, TypeError),
        ({"decoder": None}, TypeError),
    ],
)
def test_documents_of_other_types_are_refused_at_once(change, error):
    with pytest.raises(error):
        Decoding.from_dict({**_decoding().to_dict(), **change})
    with pytest.raises(KeyError):
        Decoding.from_dict({})


def test_sources_by_formula():
    outputs = _outputs(np.random.default_rng(1))
    probs, logits = outputs["segment_probs"], outputs["attention_logits"]
    activation = 1 / (1 + np.exp(-logits.astype(float)))
    for name, expected in {
        "segment": probs,
        "activation": activation,
        "product": np.sqrt(probs * activation),
        "localization": outputs["localization"],
    }.items():
        found = SOURCES.get(name).of(outputs)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert found.dtype == np.float32
    extreme = {"attention_logits": np.array([[-500.0, 0.0, 500.0]], np.float32)}
    with np.errstate(all="raise"):
        found = SOURCES.get("activation").of(extreme)
    np.testing.assert_array_equal(found, [[0.0, 0.5, 1.0]])
    assert available(["segment_probs", "clip_probs"]) == ["segment"]
    assert available(outputs) == ["segment", "activation", "product", "localization"]


def test_the_clip_score_weighs_and_gates():
    outputs = {
        "segment_probs": np.array([[0.8, 0.8], [0.4, 0.4]], np.float32),
        CLIP_SCORES: np.array([[0.25, 0.81]], np.float32),
    }
    # double_threshold is not gated: 0.8 sqrt(0.25) = 0.4, 0.8 sqrt(0.81) = 0.72
    scores = _decoding("double_threshold", clip_power=0.5).segment_scores(outputs)
    np.testing.assert_allclose(scores, [[0.4, 0.72], [0.2, 0.36]], rtol=1e-6)
    scores = _decoding("double_threshold", clip_power=1.0).segment_scores(outputs)
    np.testing.assert_allclose(scores, [[0.2, 0.648], [0.1, 0.324]], rtol=1e-6)
    # 0.25 is below the clip's threshold of 0.3, 0.81 is above it
    gated = _decoding().segment_scores(outputs)
    np.testing.assert_array_equal(gated, np.array([[0, 0.8], [0, 0.4]], np.float32))
    # a clip's score equal to its threshold is heard, whatever float32 makes of 0.81
    equal = _decoding(clips=(0.25, 0.81)).segment_scores(outputs)
    np.testing.assert_array_equal(equal, outputs["segment_probs"])
    # (T, C): what of the clip lies around each segment
    around = np.array([[0.25, 0.81], [0.5, 0.25]], np.float32)
    gated = _decoding().segment_scores({**outputs, CLIP_SCORES: around})
    np.testing.assert_array_equal(gated, np.array([[0, 0.8], [0.4, 0]], np.float32))
    weighed = _decoding("double_threshold", clip_power=1.0).segment_scores(
        {**outputs, CLIP_SCORES: around}
    )
    np.testing.assert_allclose(weighed, [[0.2, 0.648], [0.2, 0.1]], rtol=1e-6)


@pytest.mark.parametrize("source", SOURCES.names())
@pytest.mark.parametrize("name", ["threshold", "double_threshold"])
@pytest.mark.parametrize("clip_power", [0.0, 0.5])
def test_tensorflow_scores_as_numpy(source, name, clip_power):
    rng = np.random.default_rng(2)
    one = _decoding(name, scores=source, clip_power=clip_power)
    for clip_rows in (1, 7):
        clips = [_outputs(rng, clip_rows=clip_rows) for _ in range(3)]
        batch = {k: tf.constant(np.stack([c[k] for c in clips])) for k in clips[0]}
        found = one.segment_scores(batch, tf)
        assert found.dtype == tf.float32
        expected = np.stack([one.segment_scores(clip) for clip in clips])
        np.testing.assert_allclose(found, expected, atol=1e-6)
        if name == "threshold":
            assert (expected == 0).any() and (expected > 0).any()


def test_scores_of_other_classes_are_refused():
    outputs = _outputs(np.random.default_rng(0), classes=3)
    for name in ("threshold", "double_threshold"):
        with pytest.raises(InputError, match="scores of 3 classes.* of 2"):
            _decoding(name).decode(outputs, ONE_SECOND, 7.0)
        # one class would fit any number of them
        with pytest.raises(InputError, match="scores of 3 classes.* of 1"):
            _decoding(name, [0.5], [0.3]).decode(outputs, ONE_SECOND, 7.0)
    with pytest.raises(InputError, match="scores of 3 classes.* of 2"):
        _decoding().decode_scores(np.zeros((4, 3)), ONE_SECOND, 4.0)
    with pytest.raises(InputError, match="NaN"):
        _decoding().decode_scores(np.full((4, 2), np.nan), ONE_SECOND, 4.0)
    with pytest.raises(InputError, match="expected .segments, 2"):
        Rows.of([np.zeros((4, 2)), np.zeros((4, 3))], [4.0, 4.0], ONE_SECOND)


def test_a_clip_is_decoded_with_its_confidences():
    scores = np.array([[0.5, 0.0], [0.75, 0.25], [0.0, 0.9], [0.5, 0.9]], np.float32)
    outputs = {"segment_probs": scores, CLIP_SCORES: np.ones((1, 2), np.float32)}
    # the last segment is cut at 3.5 s
    events = [
        (Event(0, 0.0, 2.0), 0.625),
        (Event(1, 2.0, 3.5), pytest.approx(0.9)),
        (Event(0, 3.0, 3.5), 0.5),
    ]
    assert _decoding().decode(outputs, ONE_SECOND, 3.5) == events
    peaks = _decoding("double_threshold", settings={"factor": 1.0})
    events[0] = (Event(0, 0.0, 2.0), 0.75)
    assert peaks.decode(outputs, ONE_SECOND, 3.5) == events
    # what lies beyond the clip is none
    assert len(_decoding().decode(outputs, ONE_SECOND, 3.0)) == 2


def test_operating_points_reach_from_all_to_next_to_nothing():
    # Of each class 101 clips with peaks of 0.001 to 0.101, or of 10^-5 of these: as
    # quantiles they do not depend on the scale.
    peaks = (1 + np.arange(101, dtype=np.float32)) / 1000
    clips = [np.array([[p, p * 1e-5], [0, 0]], np.float32) for p in peaks]
    rows = Rows.of(clips, [2.0] * 101, ONE_SECOND)
    one = _decoding("threshold")
    points = one.operating_points(rows)
    assert points.shape == (50, 2)
    assert (np.diff(points, axis=0) >= 0).all()
    found = [rows.decode(one.decoder, p).rows for p in points]
    assert [(f % 2 == 0).sum() for f in (found[0], found[-1])] == [101, 1]
    # Quantile n is 1 - (n / 49)^2: between the two highest scores there is less than
    # between the two lowest. 0.001 + 0.1 (1 - (1 / 49)^2) = 0.100958.
    np.testing.assert_allclose(points[-2, 0], 0.1009584, rtol=1e-5)
    np.testing.assert_allclose(points[0], [0.001, 1e-6], rtol=1e-5)  # not below 1e-6
