"""Encoders that put text, sound and pictures into one embedding space."""
