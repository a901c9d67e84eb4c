"""Datasets in, TFRecords out: one file a dataset, one command that writes records."""
