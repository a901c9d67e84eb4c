"""One file an architecture; the file name is the name that `--model` takes."""
