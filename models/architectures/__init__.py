"""One file an architecture; the file name is the name that `--model` takes.

Such a module defines
  `Config`       a frozen dataclass with `num_classes` and every other setting;
  `PAYLOAD`      the payload kind that it reads, `audio_embedding` or `log_mel`;
  `build(config)`            the Keras model, inputs and outputs as `models.registry` says;
  `grid(config)`             the `SegmentGrid` of its segments;
  `num_segments(config, n)`  segments of n rows of input, for ints and tensors;
  `TRAINING_FRAMES`          rows that training clips are padded or cut to.
"""
