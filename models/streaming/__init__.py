"""Long recordings: rows in blocks, windows of them, and their answers as one."""
