"""psds_eval, and random events for it, which do not overlap within a class."""

import warnings

import pytest

from tfweak.labels import Event


def reference_psds(reference, durations, dtc, gtc, cttc):
    """A `PSDSEval` of the truth, and what makes its tables of ours.

    Skips where it is not installed: `pip install "tfweak[psds]"`.
    """
    psds_eval = pytest.importorskip(
        "psds_eval", reason="psds_eval is not installed", exc_type=ImportError
    )
    pandas = pytest.importorskip("pandas")
    # it makes an int of an array of one row and one column, which NumPy 2.4 refuses
    psds_eval.psds.int = lambda array: array.item()
    warnings.filterwarnings("ignore", category=FutureWarning, module="psds_eval")

    def frame(table):
        rows = [
            (n, e[1], e[2], str(e[0])) for n, events in table.items() for e in events
        ]
        return pandas.DataFrame(
            rows, columns=["filename", "onset", "offset", "event_label"]
        )

    oracle = psds_eval.PSDSEval(
        dtc_threshold=dtc,
        gtc_threshold=gtc,
        cttc_threshold=cttc,
        ground_truth=frame(reference),
        metadata=pandas.DataFrame(
            {"filename": list(durations), "duration": list(durations.values())}
        ),
    )
    return oracle, frame


def random_events(rng, num_classes, most, step=None):
    """Of a clip of about 10 s; some touch, none of one class overlap.

    Args:
      step: a grid of times in seconds.
    """
    found = []
    for label in range(num_classes):
        end = 0.0
        for _ in range(rng.integers(0, most)):
            onset = end + rng.choice([0, 1]) * rng.uniform(0, 3)
            offset = onset + rng.uniform(0.1, 4)
            if step:
                onset, offset = (round(t / step) * step for t in (onset, offset))
                onset, offset = round(onset, 6), round(offset, 6)
            if end <= onset < min(offset, 10):
                end = float(min(offset, 11.0))
                found.append(Event(label, float(onset), end))
    return found
