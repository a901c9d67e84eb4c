"""One file an architecture; the file name is the name that `--model` takes.

Such a module defines
  `Config`                   frozen dataclass: `num_classes` and all other settings;
  `PAYLOAD`                  what it reads, `audio_embedding`, `log_mel`, `constant_q`;
  `FRONT_END`                the name in `tfweak.front_ends` of what makes it of
                             waveforms; VGGish's if there is none;
  `TRAINING_FRAMES`          rows that training clips are padded or cut to, or None;
  `build(config)`            the Keras model; `models.registry` says what it takes and
                             answers;
  `grid(config)`             the `SegmentGrid` of its segments;
  `num_segments(config, n)`  segments of n rows of input, for ints and tensors.
"""
