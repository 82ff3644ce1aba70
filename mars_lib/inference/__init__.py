"""The separator in use: load, separate, long recordings, files."""
