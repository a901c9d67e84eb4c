"""Files that are there whole or not at all, and that know when they are damaged."""
