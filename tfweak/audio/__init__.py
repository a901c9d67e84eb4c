"""Waveforms from files, and the features that models read of them."""
