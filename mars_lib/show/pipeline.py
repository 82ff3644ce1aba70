"""The map of MARS-Sep, with "you are here"."""

from mars_lib.show.notebook_output import HTML

STAGES = ("waveform", "stft", "query", "separator", "policy", "mask", "reward", "advantage", "loss")


def pipeline_map(*here: str) -> HTML:
    """Draw the stages of the pipeline in a row, with those named in `here` highlighted.

    Raises:
        ValueError: for a name that is not in `STAGES`.
    """
    unknown = set(here) - set(STAGES)
    if unknown:
        raise ValueError(f"no such stage: {', '.join(sorted(unknown))}; stages are {STAGES}")
    cells = []
    for stage in STAGES:
        colour = "#0b5394;color:#fff" if stage in here else "#e8edf3;color:#333"
        style = f"background:{colour};padding:6px 9px;border-radius:6px;font-family:sans-serif"
        cells.append(f'<span style="{style}">{stage}</span>')
    label = f"MARS-Sep from waveform to loss; you are here: {', '.join(here)}"
    inner = ' <span style="color:#666">&rarr;</span> '.join(cells)
    note = '<div style="font-family:sans-serif;color:#0b5394">You are here: ' + ", ".join(here)
    return HTML(
        f'<div role="img" aria-label="{label}" style="line-height:2.6">{inner}</div>{note}</div>'
    )
