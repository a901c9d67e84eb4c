"""Files that are written whole or not at all, and documents that know their own."""
