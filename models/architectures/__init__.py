"""One file an architecture; the file name is the name that `--model` takes.

To add one, put a file like this here, say `tiny.py`; nothing has to be registered, and
`tfweak-train --model=tiny --set=units=16` trains it.

    '''Two layers for each frame and the mean over time: `tiny`.'''

    import dataclasses

    import keras

    from tfweak import front_ends
    from tfweak.models.architectures import _time_grid
    from tfweak.models.networks.layers import Standardise, network_inputs, segment_head
    from tfweak.models.networks.layers import standardised

    PAYLOAD = "log_mel"
    FRONT_END = "xu2017"
    TRAINING_FRAMES = 249


    @dataclasses.dataclass(frozen=True)
    class Config:
        num_classes: int
        units: int = 64


    def build(config):
        inputs = network_inputs(40)
        frames, mask = standardised(inputs, Standardise(name="standardisation"))
        hidden = keras.layers.Dense(config.units, "relu", name="hidden")(frames)
        outputs = segment_head(hidden, mask, config.num_classes, "average")
        return keras.Model(inputs, outputs, name="tiny")


    def grid(config):
        return _time_grid.segment_grid([], front_ends.get(FRONT_END))


    def num_segments(config, num_frames):
        return num_frames

What a module defines:
  `Config`                   frozen dataclass: `num_classes`, and other settings with
                             their defaults; what cannot be is an `InputError`;
  `PAYLOAD`                  what it reads, `audio_embedding`, `log_mel`, `constant_q`;
  `FRONT_END`                the name in `tfweak.audio.front_ends` of what makes it of
                             waveforms; VGGish's if there is none;
  `TRAINING_FRAMES`          rows that training clips are padded or cut to, or None;
  `build(config)`            the Keras model; `models.registry` says what it takes and
                             answers;
  `grid(config)`             the `SegmentGrid` of its segments, best from `_time_grid`;
  `num_segments(config, n)`  segments of n rows of input, for ints and tensors;
  `pretrain(config, network, batches, seed)`  may be left out: what a new run trains
                             before it uses the labels, see `dae_dnn`.

A padded clip must get the answer of the clip alone: hand the mask on, and set what is
padded to zero before anything that mixes time. `networks.layers` and `learning.pooling`
have the layers for it. Name the layer of the class probabilities `L8-a` or `tags`, and
it starts at the classes' frequencies; one named `standardisation` gets the statistics
of the training data. Files that begin with `_` hold what several architectures share.
"""
