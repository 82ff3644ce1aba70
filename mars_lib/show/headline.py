"""The one number that a notebook ends with, which a headless run reads from the output."""

from mars_lib.show.notebook_output import display

MIME = "application/vnd.mars.headline+json"


def headline(label: str, value: float, unit: str, look: str = "") -> None:
    """Show a notebook's result, and leave it in the output for `mars course`.

    The last cell of every notebook calls this: a notebook without it did not finish.

    Args:
        label: what the number is.
        value: the number.
        unit: its unit.
        look: where to look or listen next.
    """
    text = f"{label}: {value:.2f} {unit}"
    number = {"label": label, "value": round(float(value), 4), "unit": unit, "look": look}
    display({"text/plain": text, MIME: number}, raw=True)
