"""One file for each architecture; the file's name is the name that `--model` takes.

To add one, put a file like this here, say `tiny.py`; nothing has to be registered, and
`tfweak-train --model=tiny --set=units=16` trains it. In a file of your own, elsewhere,
put `@tfweak.register` on the class, and give the file to `--plugins`.

    '''Two layers for each frame and the mean over time: `tiny`.'''

    import dataclasses

    import keras

    from tfweak.settings import option
    from tfweak.data.input_spec import InputSpec
    from tfweak.models.architecture import Architecture
    from tfweak.models.networks import time_grid
    from tfweak.models.networks.attention_head import segment_head
    from tfweak.models.networks.layers import Standardise, network_inputs, standardised


    @dataclasses.dataclass(frozen=True)
    class Tiny(Architecture):
        name = "tiny"
        input = InputSpec.frames("xu2017", training_seconds=4)
        class_layers = ("L8-a",)

        units: int = option(64, "of each of the two layers", lower=1)

        def network(self):
            inputs = network_inputs(self.input.size)
            frames, mask = standardised(inputs, Standardise(name="standardisation"))
            hidden = keras.layers.Dense(self.units, "relu", name="hidden")(frames)
            outputs = segment_head(hidden, mask, self.num_classes, "average")
            return keras.Model(inputs, outputs, name="tiny")

        @property
        def grid(self):
            return time_grid.segment_grid([], self.input)

`models.architecture.Architecture` says what a class must have and what it may have.
`models.networks` and `tfweak.learning.pooling` hold the layers that several share.
"""
