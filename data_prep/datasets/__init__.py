"""One file per dataset: a subclass of `Dataset` with the file's name.

A dataset of your own can be anywhere, and is prepared by several workers all the same:

    # mine.py, for tfweak-prepare --plugins=mine.py --dataset=mine --source=DIR ...
    import tfweak
    from tfweak.data_prep.dataset import Item, Preparation, Split
    from tfweak.data_prep.inputs import audio_clips

    @tfweak.register
    class Mine(tfweak.Dataset):
        name = "mine"
        help = "all that barks"
        options = audio_clips.OPTIONS

        def plan(self, options):
            source = options.source_folder("a folder of WAV files")
            items = tuple(Item(path.name) for path in sorted(source.glob("*.wav")))
            encoder = audio_clips.encoder(options)
            return Preparation(
                classes=tfweak.ClassList(("dog",)),
                payload=encoder.payload,
                splits={"": Split(items)},
                settings={"seed": options.seed},
                context=audio_clips.AudioFolder(str(source), encoder),
                shuffle_seed=options.seed,
            )

        def load(self, item, context):
            yield context.clip(item.name, labels=[0])
"""

from __future__ import annotations

from tfweak.registry import Registry

from ..dataset import Dataset

DATASETS: Registry[type[Dataset]] = Registry(Dataset, __name__)
