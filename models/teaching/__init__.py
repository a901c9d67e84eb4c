"""Runs that teach others: out of fold, so that their answers are not the labels."""
