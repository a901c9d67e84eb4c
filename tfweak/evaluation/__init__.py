"""Metrics of tagging and of detection, events from scores, statistics of trials."""
