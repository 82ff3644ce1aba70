"""Players: short, loudness-matched, small enough to keep in a notebook."""

import base64
import html
import io
from collections.abc import Mapping

import soundfile
import torch

from mars_lib.show.notebook_output import HTML
from mars_lib.waveform import match_level, resample

SECONDS = 3.0
# Those that MP3 knows.
RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def players(sounds: Mapping[str, torch.Tensor], rate: int = 16_000, columns: int = 4) -> HTML:
    """Draw a table of named players.

    All are brought to the same RMS (so that louder does not pass for better) and cut to 3 seconds.

    Args:
        sounds: waveforms (L,) by name.
        rate: of all of them, in Hz.
        columns: players in a row, at most.
    """
    cells = [
        f'<div style="margin:4px 12px 4px 0"><div>{html.escape(name)}</div>'
        f"{audio(sound, rate, name)}</div>"
        for name, sound in sounds.items()
    ]
    style = (
        f"display:grid;grid-template-columns:repeat({min(columns, len(cells))},max-content);"
        "font-family:sans-serif;font-size:13px"
    )
    return HTML(f'<div style="{style}">{"".join(cells)}</div>')


def audio(sound: torch.Tensor, rate: int, name: str) -> str:
    """Write one HTML audio element that holds a sound (L,), of any rate, as MP3.

    Silence stays silence.

    Args:
        sound: the waveform.
        rate: its rate in Hz.
        name: what it is, for those who cannot see where the player stands.
    """
    samples = sound.detach().cpu()[: int(SECONDS * rate)].float()
    playable = min((r for r in RATES if r >= rate), default=RATES[-1])
    samples, rate = resample(samples[None], rate, playable)[0], playable
    samples = match_level(samples, 0.1)
    samples = samples / samples.abs().max().clamp(min=1.0)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.numpy(), rate, format="MP3")
    data = base64.b64encode(buffer.getvalue()).decode()
    look = f'aria-label="{html.escape(name)}" style="width:210px;height:32px"'
    return f'<audio controls {look} src="data:audio/mpeg;base64,{data}"></audio>'
