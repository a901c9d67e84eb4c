"""A run to work with: what `tfweak.load` and `tfweak.train` give."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from tfweak import serving
from tfweak.audio import reading
from tfweak.data import sources
from tfweak.errors import InputError
from tfweak.extractor import Extractor, loaded_once
from tfweak.typing import Array, StrPath

from ..streaming.files import are_shards
from ..streaming.rows import rows_in_blocks
from ..streaming.windows import WindowOptions, WindowPlan
from . import extraction, predictions, run_folder, scoring, seen_clips


@dataclasses.dataclass(frozen=True)
class Run(run_folder.TrainedModel):
    """A trained model and what can be asked of it.

    run = tfweak.load("run")
    answer = run.predict(waveform, 16000)
    print(answer.clip_probs, answer.events)
    """

    def predict(
        self,
        waveform: Array,
        sample_rate_hz: int,
        extractor: Extractor | None = None,
        options: WindowOptions | None = None,
    ) -> predictions.Answer:
        """Which sounds are in a waveform, and when.

        Args:
          waveform: (N,) float in [-1, 1], N at least 1.
          sample_rate_hz: its rate; it is resampled where the model's is another.
          extractor: for a model on embeddings, another one than that of its data.
          options: how a long one is cut, see `WindowOptions`.

        Raises:
          InputError: a waveform of another form, or an extractor that cannot be had.
        """
        blocks = self._blocks(waveform, sample_rate_hz, extractor, options)
        return predictions.answer_rows(self, blocks, options=options)

    def embed(self, waveform: Array, sample_rate_hz: int) -> Array:
        """What the class layers of the network read of a waveform.

        Args:
          waveform, sample_rate_hz: as for `predict`.

        Returns:
          (T, D) float32, a row for each segment.
        """
        rows = np.concatenate(list(self._blocks(waveform, sample_rate_hz)))
        inputs = {
            "features": rows[np.newaxis].astype(np.float32),
            "num_frames": np.array([len(rows)], np.int32),
        }
        return np.asarray(self._trunk.predict_on_batch(inputs)[0], np.float32)

    @functools.cached_property
    def extractor(self) -> Extractor:
        """What makes the embeddings that the model reads; see `extractor_of`."""
        return loaded_once(extraction.extractor_of(self))

    @functools.cached_property
    def _trunk(self) -> keras.Model:
        (layer, *_) = self.architecture.class_layers
        # after what it reads may come which units are kept
        read, *_ = keras.tree.flatten(self.network.get_layer(layer).input)
        return keras.Model(self.network.input, read)

    def _blocks(
        self,
        waveform: Array,
        sample_rate_hz: int,
        extractor: Extractor | None = None,
        options: WindowOptions | None = None,
    ) -> Iterator[Array]:
        """Rows that the model reads of a waveform, (rows, F) each."""
        if extractor is not None:
            extractor = extraction.extractor_of(self, extractor)
        reader = extractor or self.architecture.input.front_end or self.extractor
        resampled = reading.resample(
            _checked(waveform), sample_rate_hz, reader.sample_rate_hz
        )
        least = WindowPlan.of(self.architecture, options).rows
        return rows_in_blocks(reader, [resampled], least)

    def predict_files(
        self,
        paths: Sequence[StrPath],
        batch_size: int = 16,
        extractor: Extractor | None = None,
        options: WindowOptions | None = None,
    ) -> tuple[list[predictions.Answer], list[tuple[str, str]]]:
        """Answers for audio files, folders of them, pipes and standard input (`-`).

        All are kept in memory; `iter_files` gives one after the other.

        Returns:
          What `predictions.predict_files` gives: the answers, and (file, reason) for
          those that could not be used.
        """
        extractor = self.extractor_for(paths, extractor)
        return predictions.predict_files(self, paths, batch_size, extractor, options)

    def iter_files(
        self,
        paths: Sequence[StrPath],
        batch_size: int = 16,
        extractor: Extractor | None = None,
        options: WindowOptions | None = None,
    ) -> Iterator[predictions.Answer | predictions.Unusable]:
        """What `predict_files` gives, file by file, as each is done.

        Memory is bounded, however long and many the files are.

        Args:
          paths, extractor: as for `predict_files`.
          batch_size: windows a step.
          options: how long recordings are cut, see `WindowOptions`.
        """
        extractor = self.extractor_for(paths, extractor)
        return predictions.iter_files(self, paths, batch_size, extractor, options)

    def extractor_for(
        self, paths: Sequence[StrPath], extractor: Extractor | None = None
    ) -> Extractor | None:
        """What makes embeddings of files; None where the model reads them as they are.

        Args:
          paths: audio or shards.
          extractor: another one than that of the run's data.

        Raises:
          InputError: see `extraction.extractor_of`.
        """
        if extractor is not None:
            return extraction.extractor_of(self, extractor)
        if self.architecture.input.are_embeddings and not are_shards(paths):
            return self.extractor
        return None

    def with_threshold(self, threshold: float) -> Run:
        """The run with one threshold for the scores of all segments and classes.

        Its decoder, and the source of its scores, stay.
        """
        own = self.decodings["segment"]
        same = dataclasses.replace(
            own, thresholds=np.full(len(self.classes), threshold)
        )
        decodings = {**self.decodings, "segment": same}
        return dataclasses.replace(self, decodings=decodings)

    def evaluate(
        self,
        data: sources.ClipData | Sequence[StrPath],
        batch_size: int = 64,
        allow_overlap: bool = False,
    ) -> dict[str, Any]:
        """See `evaluate`."""
        return evaluate(self, data, batch_size, allow_overlap)

    def export(
        self,
        folder: StrPath,
        extractor: Extractor | None = None,
        embeddings_only: bool = False,
    ) -> None:
        """Exports it in float32; see `tfweak.serving.export`.

        Args:
          folder: to write.
          extractor: for a model on embeddings, another one than that of its data.
          embeddings_only: leave the extractor out. One of AudioSet's released
            embeddings is left out where none is given: what made them is gone.
        """
        knows_its_own = bool(self.payload.made_by) and not embeddings_only
        if extractor is not None:
            extractor = extraction.extractor_of(self, extractor)
        elif self.architecture.input.are_embeddings and knows_its_own:
            extractor = self.extractor
        network = self.architecture.build("float32")
        network.set_weights(self.network.get_weights())
        serving.export(
            network,
            self.architecture.input,
            self.architecture.grid,
            self.classes,
            self.decodings["segment"],
            folder,
            extractor,
        )

    def summary(self) -> str:
        """A few lines: the model, its settings, what it learnt from and how well."""
        training, data = self.config["training"], self.config["data"]
        history = run_folder.read_history(self.folder / "history.csv")
        best = max(history, key=lambda row: row["val_mAP"])
        count = sum(math.prod(v.shape) for v in self.network.weights)
        return "\n".join(
            [
                f"{self.folder}: {self.architecture.name}, {count:,} parameters",
                f"  model: {_listed(self.config['model']['config'])}",
                f"  training: {_listed(training)}",
                f"  classes: {len(self.classes)}: {', '.join(self.classes.names)}",
                f"  data: {self.payload.kind}; {_clips(data['train'])} to train on,"
                f" {_clips(data['valid'])} to validate on",
                f"  best epoch: {best['epoch']:.0f} of {len(history)}, validation mAP"
                f" {best['val_mAP']:.4f}",
                f"  events: {self._source_of_events()}",
            ]
        )

    def _source_of_events(self) -> str:
        if not (self.folder / run_folder.DECODING_NAME).exists():
            return "threshold 0.5, for the training has not ended"
        decoding = self.decodings["segment"]
        settings = decoding.decoder.to_dict()["settings"]
        truths = {"strong": "strong labels", "mixtures": "mixtures"}
        tried = run_folder.read_decoding(self.folder)["tried"]
        tuned_on = next((truths[name] for name in truths if name in tried), "the tags")
        return (
            f"{decoding.decoder.name} ({_listed(settings)}) on {decoding.scores}"
            f" scores, tuned on {tuned_on}"
        )


def load(folder: StrPath, precision: str = "auto") -> Run:
    """Loads a run.

    Args:
      folder: that a training wrote.
      precision: that it computes in; `auto` is the fastest of this machine, as for
        the commands.

    Raises:
      InputError: when the folder is no run, or one that has not finished an epoch.
    """
    return Run(**vars(run_folder.load(folder, precision)))


def evaluate(
    run: Run | StrPath,
    data: sources.ClipData | Sequence[StrPath],
    batch_size: int = 64,
    allow_overlap: bool = False,
) -> dict[str, Any]:
    """How good a run is on labelled clips: all metrics, averaged and by class.

    Args:
      run: or its folder.
      data: prepared folders, or what `open_data` gave for the run's classes.
      batch_size: clips a step.
      allow_overlap: measure on clips that the run has learnt from, too.

    Returns:
      What tfweak-evaluate writes as JSON.

    Raises:
      InputError: data of another form than the run's, or clips that it has learnt from.
    """
    run = run if isinstance(run, Run) else load(run)
    if not isinstance(data, sources.ClipData):
        data = scoring.open_for(run, data)
    seen_clips.check_unseen(run.folder, data.clip_ids, "data", allow_overlap)
    return scoring.evaluate(run, data, batch_size)


def _checked(waveform: Array) -> Array:
    """(N,) float32.

    Raises:
      InputError: saying what is wrong, and what to do.
    """
    given = np.asarray(waveform)
    if given.ndim != 1 or not given.size:
        raise InputError(
            f"waveform of shape {given.shape}: one of (N,) is needed, N samples of one"
            " channel; take the mean over channels"
        )
    if not np.issubdtype(given.dtype, np.floating):
        raise InputError(
            f"waveform of {given.dtype}: floats in [-1, 1] are needed; divide integers"
            " of 16 bits by 32768"
        )
    if not np.isfinite(given).all():
        raise InputError("waveform: holds NaN or infinite samples")
    return given.astype(np.float32)


def _clips(fingerprint: dict[str, Any]) -> str:
    strong = fingerprint["num_strong"]
    return f"{fingerprint['num_clips']:,} clips ({strong:,} with strong labels)"


def _listed(settings: dict[str, Any]) -> str:
    """Settings but for those that say nothing."""
    said = {k: v for k, v in settings.items() if v not in (None, "", [], {})}
    return ", ".join(
        f"{name}={','.join(map(str, v)) if isinstance(v, list) else v}"
        for name, v in said.items()
    )
