"""What the commands share: flags and errors, progress, processes."""
