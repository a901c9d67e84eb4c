"""Whether a served model's memory stays what it is, over many requests.

    python benchmarks/soak.py --requests=100000 [--model=embedding_attention]

A small model is exported, and a process that has TensorFlow and nothing of ours serves
it on loopback, one request after another: a waveform of a random length of 0.05 to 1 s
in, or 1 to 20 rows of embeddings, clip scores out. Printed are requests per second and
the server's memory (RSS) after a tenth of the requests and at the end; more than 5 per
cent of growth, and an answer that is not one, are failures.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing.connection
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

RATE_HZ = 16000
CLASSES = 10
MOST_GROWTH = 0.05
SERVER = """
import multiprocessing.connection, sys
import numpy as np, tensorflow as tf
assert "tfweak" not in sys.modules
model = tf.saved_model.load(sys.argv[1])  # whose variables live as long as it
answer = model.signatures["serving_default"]
def asked(values):
    if sys.argv[2] == "waveform":
        return {"waveform": values[None]}
    rows = values.reshape(1, -1, int(sys.argv[2]))
    return {"features": rows, "num_frames": np.array([rows.shape[1]], np.int32)}
with multiprocessing.connection.Listener(("127.0.0.1", 0)) as listener:
    print(listener.address[1], flush=True)
    with listener.accept() as client:
        while values := client.recv_bytes():
            found = answer(**asked(np.frombuffer(values, np.float32)))
            client.send_bytes(found["clip_probs"].numpy().tobytes())
"""


SETTINGS = {
    "attention_fcn": {"width": 0.02},
    "embedding_attention": {"hidden_units": 16},
}


def export(name: str, folder: pathlib.Path) -> int:
    """Exports random weights, which cost what learnt ones cost.

    Returns:
      Values in a row of embeddings; 0 for a model that reads waveforms.
    """
    import tfweak
    from tfweak import serving
    from tfweak.decoding.decoder import create_decoder
    from tfweak.decoding.decoding import Decoding

    model = tfweak.create(name, CLASSES, **SETTINGS[name])
    half = np.full(CLASSES, 0.5)
    serving.export(
        model.build("float32"),
        model.input,
        model.grid,
        tfweak.ClassList(tuple(f"class {i}" for i in range(CLASSES))),
        Decoding(create_decoder("threshold"), half, half),
        folder,
    )
    return 0 if model.input.front_end else model.input.size


def rss_mb(pid: int) -> float:
    """What a process holds in memory."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", choices=SETTINGS, default="attention_fcn")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = os.path.join(name, "model")
        size = export(given.model, pathlib.Path(folder))
        server = subprocess.Popen(
            [sys.executable, "-P", "-c", SERVER, folder, str(size or "waveform")],
            stdout=subprocess.PIPE,
            cwd=name,
        )
        try:
            assert server.stdout is not None
            address = "127.0.0.1", int(server.stdout.readline())
            with multiprocessing.connection.Client(address) as client:
                return soak(client, server.pid, given.requests, size, rng)
        finally:
            server.kill()


def soak(
    client: multiprocessing.connection.Connection,
    pid: int,
    requests: int,
    size: int,
    rng: np.random.Generator,
) -> int:
    """Asks, measures, and returns the exit status."""
    lengths = np.arange(1, 21) * size if size else np.arange(RATE_HZ // 20, RATE_HZ + 1)
    noise = rng.uniform(-0.5, 0.5, lengths[-1]).astype(np.float32)
    before, began = 0.0, time.monotonic()
    for number in itertools.count(1):
        client.send_bytes(noise[: rng.choice(lengths)].tobytes())
        probs = np.frombuffer(client.recv_bytes(), np.float32)
        assert probs.shape == (CLASSES,) and ((0 <= probs) & (probs <= 1)).all(), probs
        if number in (requests // 10, requests) or number % 10000 == 0:
            seconds, now = time.monotonic() - began, rss_mb(pid)
            before = before or now * (number >= requests // 10)
            print(
                f"{number:,} requests, {number / seconds:.0f} a second: {now:.1f} MB",
                flush=True,
            )
        if number == requests:
            break
    growth = now / before - 1
    print(f"from {before:.1f} to {now:.1f} MB: {growth:+.1%}")
    return int(growth > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
