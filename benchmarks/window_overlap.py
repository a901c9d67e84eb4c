"""How alike a sound is heard wherever it lies in a long recording, by overlap.

    python benchmarks/window_overlap.py RUN

RUN is of the built-in soundscapes, such as the quickstart's. Twelve events of 1 to 4 s
are put into 40 s of noise at 13 places, 0.8 s apart, which go across a border between
windows. Printed by overlap: how many are found (half of their time at least), and how
far the mean score of an event moves with the place.
"""

from __future__ import annotations

import sys

import numpy as np

import tfweak
from tfweak.data_prep.scenes import mixing, synthesis
from tfweak.models.streaming.windows import WindowOptions

RATE_HZ = 16000
EVENTS = 12
PLACES = np.arange(8.0, 18.0, 0.8)
OVERLAPS = (0.0, 1.0, 2.0, 2.5, 3.3, 5.0)


def main() -> None:
    run = tfweak.load(sys.argv[1], "float32")
    rng = np.random.default_rng(3)
    source = mixing.GeneratedSources(RATE_HZ)
    chosen: list[tuple[int, np.ndarray]] = []
    while len(chosen) < EVENTS:
        label, waveform = source.choose(rng)
        if RATE_HZ <= len(waveform) <= 4 * RATE_HZ:
            chosen.append((label, waveform / np.abs(waveform).max() * 0.3))
    noise = synthesis.background(rng, 40.0, RATE_HZ)
    noise = noise / np.abs(noise).max() * 0.03
    grid = run.architecture.grid
    for overlap in OVERLAPS:
        options = WindowOptions(overlap_seconds=overlap)
        found, moves = 0, []
        for label, waveform in chosen:
            seconds, scores = len(waveform) / RATE_HZ, []
            for place in PLACES:
                mixed, first = noise.copy(), int(place * RATE_HZ)
                mixed[first : first + len(waveform)] += waveform
                answer = run.predict(mixed, RATE_HZ, options=options)
                middles = grid.onsets(len(answer.segment_probs)) + grid.hop_seconds / 2
                inside = (middles > place) & (middles < place + seconds)
                scores.append(answer.segment_probs[inside, label].mean())
                heard = sum(
                    max(0, min(offset, place + seconds) - max(onset, place))
                    for number, onset, offset in answer.events
                    if number == label
                )
                found += heard >= seconds / 2
            moves.append(np.ptp(scores))
        total = EVENTS * len(PLACES)
        print(
            f"overlap {overlap:.1f} s: {found} of {total} found, scores move by"
            f" {np.mean(moves):.3f} (at most {max(moves):.3f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
