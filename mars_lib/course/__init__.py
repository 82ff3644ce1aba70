"""The notebooks, run headless, and what they need beside the package."""
