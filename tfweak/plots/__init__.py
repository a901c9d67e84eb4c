"""Pictures: one file for each kind, all drawn with `kit`; a clip is a `ClipView`."""
