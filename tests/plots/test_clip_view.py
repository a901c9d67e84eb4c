"""What pictures of a clip refuse, and how they label the features."""

import numpy as np
import pytest

from tfweak.errors import InputError
from tfweak.labels import Event, SegmentGrid
from tfweak.plots.clip_view import ClipView


def _view(**change):
    given = {
        "features": np.zeros((10, 128)),
        "frame_hop_seconds": 0.96,
        "grid": SegmentGrid(0.96, 0.96),
        "class_names": ["dog", "siren", "horn"],
        "events": [Event(2, 3.0, 4.0), Event(0, 1.0, 2.0), Event(2, 0.5, 0.7)],
        **change,
    }
    return ClipView(**given)


def test_present_classes_are_those_of_events_by_onset_then_those_of_tags():
    view = _view(tags=[0, 1])
    assert view.present == [2, 0, 1]
    assert view.choose([0.1, 0.2, 0.3], 2) == [2, 0]
    assert _view(events=None, tags=[1]).choose([0.1, 0.2, 0.3], 9) == [1, 2, 0]
    assert _view(events=None).present == []


def test_embeddings_are_labelled_so():
    figure, panels = _view(feature_kind="embedding").figure([0], 10, 1, 1.0)
    assert len(panels) == 2
    axes = figure.axes[1]
    assert axes.get_ylabel() == "embedding dimension"
    assert axes.images[0].get_extent() == pytest.approx([0, 9.6, -0.5, 127.5])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"features": np.zeros(10)}, r"features \(10,\)"),
        ({"features": np.zeros((0, 4))}, r"features \(0, 4\)"),
        ({"features": np.full((9, 4), np.nan)}, "features: every value must be a fin"),
        ({"feature_kind": "mfcc"}, "'mfcc': expected one of"),
        ({"events": [Event(3, 0.0, 1.0)]}, "class 3 of an event or tag"),
        ({"tags": [-1]}, "class -1 of an event or tag"),
    ],
)
def test_clips_that_cannot_be_shown(change, message):
    with pytest.raises(InputError, match=message):
        _view(**change)


@pytest.mark.parametrize(
    "values, num_valid, message",
    [
        (np.ones(9), None, r"^a \(9,\): expected \(segments, 3 classes\), as many"),
        (np.ones((9, 2)), None, r"a \(9, 2\): expected \(segments, 3 classes\)"),
        (np.ones((0, 3)), None, r"a \(0, 3\): expected"),
        (np.ones((9, 3)), 0, "0 valid segments: expected 1 to 9"),
        (np.ones((9, 3)), 10, "10 valid segments"),
        (np.full((9, 3), np.inf), None, "a: every value must be a finite number"),
        (np.full((9, 3), -0.1), None, "a: every value must .* at least 0"),
    ],
)
def test_outputs_that_cannot_be_shown(values, num_valid, message):
    with pytest.raises(InputError, match=message):
        _view(num_valid_segments=num_valid).valid({"a": values})


def test_outputs_lose_their_padding():
    matrix, curve = np.arange(12).reshape(4, 3), np.array([1, 2, 3, np.nan])
    valid = _view(num_valid_segments=3).valid({"a": matrix, "b": curve}, ["b"])
    np.testing.assert_array_equal(valid[0], matrix[:3])
    np.testing.assert_array_equal(valid[1], [1.0, 2.0, 3.0])
