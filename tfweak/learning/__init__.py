"""Pooling, losses, the model with its own train_step, callbacks."""
