"""Files of any length: windows stitched, alone or among others, in bounded memory."""

import dataclasses
import tracemalloc

import keras
import numpy as np
import pytest
import soundfile
from made import plain_decoding

from tfweak.data.input_spec import InputSpec
from tfweak.errors import InputError
from tfweak.extractor import Extractor
from tfweak.labels import ClassList, SegmentGrid
from tfweak.models.architecture import Architecture, create
from tfweak.models.networks.attention_head import segment_head
from tfweak.models.networks.layers import SequenceMask, network_inputs
from tfweak.models.runs import predictions, scoring
from tfweak.models.runs.run import Run
from tfweak.models.streaming.windows import WindowOptions, WindowPlan
from tfweak.payload import Payload

RATE = 16000


def untrained(name, num_classes=3, **settings):
    """A run in memory whose network has learnt nothing."""
    architecture = create(name, num_classes, **settings)
    return run_of(architecture, architecture.build())


def run_of(architecture, network, clip=0.0, segment=0.5):
    count = architecture.num_classes
    return Run(
        folder=None,
        architecture=architecture,
        network=network,
        classes=ClassList(tuple(f"class{i}" for i in range(count))),
        payload=Payload("log_mel", "float16", {}),
        decodings={"segment": plain_decoding(count, segment, clip)},
        config={},
    )


@dataclasses.dataclass(frozen=True)
class Whistle(Architecture):
    """Hears 1 kHz, frame by frame: it needs no training."""

    name = "whistle"
    input = InputSpec.frames("vggish", training_seconds=10)
    class_layers = ("L8-a",)

    def network(self):
        inputs = network_inputs(64)
        mask = SequenceMask(name="mask")(inputs["num_frames"], inputs["features"])
        outputs = segment_head(inputs["features"], mask, 1, "average")
        return keras.Model(inputs, outputs)

    @property
    def grid(self):
        return SegmentGrid(0.01, 0.025, 0.0075)

    @classmethod
    def run(cls):
        network = cls(1).build()
        frames = cls.input.front_end.compute(whistling(1.0, [(0.0, 1.0)]))
        band = int(frames.mean(axis=0).argmax())
        kernel = np.zeros((64, 1), np.float32)
        kernel[band] = 4.0
        # the logarithm of the band lies around -1.5 in noise and at 3 in the tone
        network.get_layer("L8-a").set_weights([kernel, np.array([-4.0], np.float32)])
        return run_of(cls(1), network, clip=0.05)


def whistling(seconds, calls, seed=0):
    """Noise with a tone of 1 kHz from and to some times."""
    count = round(seconds * RATE)
    rng = np.random.default_rng(seed)
    waveform = 0.002 * rng.standard_normal(count)
    time = np.arange(count) / RATE
    for onset, offset in calls:
        inside = (onset <= time) & (time < offset)
        waveform[inside] += 0.3 * np.sin(2 * np.pi * 1000 * time[inside])
    return waveform.astype(np.float32)


def write(path, waveform):
    soundfile.write(path, waveform, RATE, subtype="FLOAT")
    return path


def noise(seconds, seed=0):
    rng = np.random.default_rng(seed)
    return (0.3 * rng.uniform(-1, 1, round(seconds * RATE))).astype(np.float32)


def by_hand(run, rows):
    """The answers to all windows, one by one, and their mean under the weights."""
    plan = WindowPlan.of(run.architecture)
    total = run.architecture.num_segments(len(rows))
    names = ("segment_probs", "clip_scores", "attention")
    sums = {name: np.zeros((total, len(run.classes))) for name in names}
    weights = np.zeros((total, 1))
    starts = list(range(0, len(rows) - plan.rows, plan.hop_rows))
    last = -(-(len(rows) - plan.rows) // plan.segment_rows) * plan.segment_rows
    starts += [] if starts[-1] == last else [last]
    best = 0.0
    for start in starts:
        part = rows[start : start + plan.rows]
        found = run.network.predict_on_batch(
            {"features": part[None], "num_frames": np.array([len(part)], np.int32)}
        )
        count = int(np.asarray(found["mask"]).sum())
        k = np.arange(count) + 0.5
        weight = np.ones(count)
        if start:
            weight = np.minimum(weight, k / plan.overlap_segments)
        if start != last:
            weight = np.minimum(weight, (count - k) / plan.overlap_segments)
        begin = start // plan.segment_rows
        clip = np.asarray(found["clip_probs"])[0]
        best = np.maximum(best, clip)
        weights[begin : begin + count, 0] += weight
        for name in names:
            values = clip if name == "clip_scores" else np.asarray(found[name])[0]
            sums[name][begin : begin + count] += weight[:, None] * values
    found = {name: values / weights for name, values in sums.items()}
    found["attention"] /= found["attention"].sum(axis=0)
    return {**found, "clip_probs": best}


@pytest.mark.parametrize(
    "name, settings",
    [
        ("attention_fcn", {"width": 0.05}),
        ("tlweak", {"width": 0.1}),
        ("cgrnn", {"filters": 4, "recurrent_units": 4, "recurrent_layers": 1}),
    ],
)
def test_a_long_file_is_its_windows_stitched(name, settings, tmp_path):
    run = untrained(name, **settings)
    waveform = noise(27)
    front_end = run.architecture.input.front_end
    path = tmp_path / "a.wav"
    rate = front_end.sample_rate_hz
    soundfile.write(path, np.resize(waveform, 27 * rate), rate, subtype="FLOAT")
    rows = front_end.compute(np.resize(waveform, 27 * rate))
    expected = by_hand(run, rows)
    (answer,), bad = run.predict_files([path], batch_size=2)
    assert not bad
    for field, values in expected.items():
        np.testing.assert_allclose(getattr(answer, field), values, atol=1e-5)
    assert answer.seconds == run.architecture.input.seconds(len(rows))
    again = run.predict(np.resize(waveform, 27 * rate), rate)
    np.testing.assert_allclose(again.segment_probs, answer.segment_probs, atol=1e-6)


def test_a_file_of_one_window_is_answered_whole_and_to_the_bit(tmp_path):
    run = untrained("attention_fcn", width=0.05)
    for seconds in (0.3, 6.0, 10.0):
        waveform = noise(seconds)
        rows = run.architecture.input.front_end.compute(waveform)
        found = run.network.predict_on_batch(
            {"features": rows[None], "num_frames": np.array([len(rows)], np.int32)}
        )
        (answer,), _ = run.predict_files([write(tmp_path / "a.wav", waveform)])
        for field in ("clip_probs", "segment_probs", "attention"):
            expected = np.asarray(found[field])[0]
            np.testing.assert_array_equal(getattr(answer, field), expected)
        assert (answer.clip_scores == answer.clip_probs).all()


def test_answers_do_not_depend_on_what_else_is_in_the_batch(tmp_path):
    run = untrained("attention_fcn", width=0.05)
    lengths = (3, 25, 0.4, 10, 47, 12, 1)
    paths = [
        write(tmp_path / f"{i}.wav", noise(seconds, i))
        for i, seconds in enumerate(lengths)
    ]
    alone = [run.predict_files([path])[0][0] for path in paths]
    for batch_size in (1, 3, 16):
        among, bad = run.predict_files([tmp_path], batch_size)
        assert not bad and [a.filename for a in among] == [p.name for p in paths]
        for one, other in zip(alone, among):
            for field in ("clip_probs", "segment_probs", "attention", "clip_scores"):
                np.testing.assert_allclose(
                    getattr(one, field), getattr(other, field), atol=1e-6
                )


def test_a_call_is_heard_wherever_it_is_in_a_long_file(tmp_path):
    run = Whistle.run()
    # windows begin every 7.48 s and are 9.98 s long: the second call begins in the one
    # and ends in the other
    calls = [(0.0, 1.0), (17.0, 18.0), (39.5, 40.5), (150.2, 151.2), (299.0, 300.0)]
    short = whistling(10, [(4.0, 5.0)])
    whole = whistling(300, calls)
    (of_long,), _ = run.predict_files([write(tmp_path / "long.wav", whole)])
    (of_short,), _ = run.predict_files([write(tmp_path / "short.wav", short)])
    assert len(of_short.events) == 1 and len(of_long.events) == len(calls)
    confidences = []
    for event, (onset, offset) in zip(of_long.events, calls):
        # a frame reaches 25 ms
        assert event.onset_seconds == pytest.approx(onset, abs=0.03)
        assert event.offset_seconds == pytest.approx(offset, abs=0.03)
    confidences = of_long.confidences + of_short.confidences
    assert min(confidences) > 0.9
    # a second in ten is heard as in a file of ten, and would drown in five minutes
    np.testing.assert_allclose(of_long.clip_probs, of_short.clip_probs, atol=0.02)
    assert of_long.segment_probs.mean() < 0.05
    assert of_long.sure.all() and of_short.sure.all()


def test_a_class_gives_events_only_where_its_windows_are_above_its_threshold():
    run = Whistle.run()
    outputs = {
        "segment_probs": np.full((400, 1), 0.9, np.float32),
        "clip_scores": np.repeat([0.04, 0.06], 200)[:, np.newaxis],
        "clip_probs": np.array([0.06]),
    }
    ((event, confidence),) = scoring.decode(run, outputs, 3.9)
    # from frame 200, which begins at 2 s + 7.5 ms, to the end
    assert event == pytest.approx((0, 2.0075, 3.9)) and confidence == pytest.approx(0.9)


def test_bad_files_are_told_in_their_turn(tmp_path):
    run = untrained("attention_fcn", width=0.05)
    write(tmp_path / "a.wav", noise(2))
    (tmp_path / "b.wav").write_bytes(b"no audio")
    long = write(tmp_path / "c.wav", noise(60))
    long.write_bytes(long.read_bytes()[:-100000])  # it shows at its end
    write(tmp_path / "d.wav", noise(30))
    found = list(run.iter_files([tmp_path], batch_size=2))
    names = [(type(r).__name__, r.filename) for r in found]
    assert names == [
        ("Answer", "a.wav"),
        ("Unusable", "b.wav"),
        ("Unusable", "c.wav"),
        ("Answer", "d.wav"),
    ]
    assert "cut short" in found[2].reason
    answers, bad = run.predict_files([tmp_path])
    assert [a.filename for a in answers] == ["a.wav", "d.wav"]
    assert [name for name, _ in bad] == ["b.wav", "c.wav"]


def test_what_was_answered_can_be_skipped_and_the_rest_keeps_its_bits(tmp_path):
    run = untrained("attention_fcn", width=0.05)
    lengths = (3, 25, 0.4, 10, 47, 12, 1, 2, 33, 5)
    for i, seconds in enumerate(lengths):
        write(tmp_path / f"{i}.wav", noise(seconds, i))
    (tmp_path / "2.wav").write_bytes(b"no audio")
    files = predictions.expand(run, [tmp_path])
    groups = list(predictions.answer_files(run, files, 4))
    assert [r.filename for group in groups for r in group] == [n for n, _ in files]
    assert len(groups) > 4
    for done in range(len(groups)):
        skip = sum(map(len, groups[:done]))
        rest = list(predictions.answer_files(run, files, 4, skip=skip))
        assert list(map(len, rest)) == list(map(len, groups[done:]))
        for one, other in zip(sum(groups[done:], []), sum(rest, [])):
            if isinstance(one, predictions.Answer):
                np.testing.assert_array_equal(one.clip_probs, other.clip_probs)
                np.testing.assert_array_equal(one.segment_probs, other.segment_probs)
            assert one.filename == other.filename


def test_pipes_and_standard_input_are_named_once():
    run = untrained("attention_fcn", width=0.05)
    assert predictions.expand(run, ["-"]) == [("-", "-")]
    with pytest.raises(InputError, match="-: appears twice"):
        predictions.expand(run, ["-", "-"])


@dataclasses.dataclass(frozen=True)
class Levels(Extractor):
    name = "levels"
    sample_rate_hz = 8000
    window_seconds = hop_seconds = 0.96
    embedding_size = 128

    def embed(self, waveform):
        rows = waveform[: len(waveform) // 7680 * 7680].reshape(-1, 60, 128)
        return np.abs(rows).mean(axis=1) * 100


def test_embeddings_of_a_long_file_are_answered_in_windows(tmp_path):
    run = untrained("embedding_attention", hidden_units=8)
    path = write(tmp_path / "a.wav", noise(130))
    ((answer,),) = [predictions.predict_files(run, [path], extractor=Levels())[0]]
    waveform = np.concatenate(list(predictions.reading.audio_blocks(path, 8000)))
    expected = by_hand(run, Levels().embed(waveform))
    for field, values in expected.items():
        np.testing.assert_allclose(getattr(answer, field), values, atol=1e-5)


def test_ten_minutes_take_no_more_memory_than_one(tmp_path, monkeypatch):
    run = untrained("attention_fcn", width=0.02)
    given, peaks = [], []
    predict_on_batch = run.network.predict_on_batch

    def spy(inputs):
        given.append(inputs["features"].shape)
        return predict_on_batch(inputs)

    monkeypatch.setattr(run.network, "predict_on_batch", spy)
    path = tmp_path / "a.flac"
    for minutes in (1, 10):
        waveform = np.tile(noise(60), minutes)
        soundfile.write(path, waveform, RATE)
        del waveform
        tracemalloc.start()
        (result,) = run.iter_files([path], batch_size=4)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert result.seconds == pytest.approx(60 * minutes, abs=0.02)
    assert all(shape[0] <= 4 and shape[1] <= 1008 for shape in given)
    # ten minutes of samples alone are 38 MB; what is kept is 3,750 segments
    assert peaks[1] < peaks[0] + 5e6
    # and windows of another length are what is asked for
    given.clear()
    options = WindowOptions(window_seconds=60, overlap_seconds=10)
    list(run.iter_files([path], options=options))
    assert max(shape[1] for shape in given) == 6000
