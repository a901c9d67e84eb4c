"""What makes embeddings of waveforms: one file for each trunk."""
