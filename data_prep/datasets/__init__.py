"""One file a dataset; the file name is the name that `--dataset` takes."""
