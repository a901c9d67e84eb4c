"""Datasets in, TFRecords out: one file per dataset, one command that writes records."""
