"""From scores of segments to events: sources of scores, decoders, and their tuning."""
