"""What a notebook draws of an output. Only this file imports IPython."""

from IPython.display import HTML, display

__all__ = ["HTML", "display"]
