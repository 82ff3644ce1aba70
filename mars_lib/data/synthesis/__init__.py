"""Phrases of instruments, played from soundfonts."""
