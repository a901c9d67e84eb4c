"""The built-in decoders, one file each."""
