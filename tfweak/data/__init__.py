"""Records: their schema, shards as one data set, batches for training and measuring."""
