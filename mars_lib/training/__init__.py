"""Training: steps, the loop around them, checkpoints."""
