"""The notebooks, run headless."""
