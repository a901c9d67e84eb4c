"""A run: its training, its folder, its answers and what is known of its clips."""
