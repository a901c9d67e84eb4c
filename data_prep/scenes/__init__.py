"""Scenes with known times, mixed from recorded sounds or from sounds made here."""
