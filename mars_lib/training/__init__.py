"""Training: one step, the loop around it, what a run remembers, and the folder that it is in."""
