"""Files, devices and weights: what every part of the package writes and reads."""
