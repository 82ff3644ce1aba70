"""A data set over CSVs whose recordings are steady tones."""

import csv

import numpy as np
import soundfile
from PIL import Image

RATE = 16_000


def write(folder, name, kinds, files=10, seconds=2, frames=3):
    """A CSV of steady tones, a pitch a file, so that a clip tells which file it is from."""
    rows = []
    for k, kind in enumerate(kinds):
        for i in range(files):
            stem = f"{kind}/{name}{i}"
            audio, pictures = folder / f"audio/{stem}.wav", folder / f"frames/{stem}"
            audio.parent.mkdir(parents=True, exist_ok=True)
            time = np.arange(seconds * RATE) / RATE
            soundfile.write(
                audio, 0.3 * np.sin(2 * np.pi * pitch(k, i) * time), RATE, subtype="PCM_16"
            )
            pictures.mkdir(parents=True)
            for j in range(1, frames + 1):
                Image.new("RGB", (224, 224), (40 * k, 20 * i, 80 * j)).save(
                    pictures / f"{j:06d}.jpg"
                )
            rows.append((f"audio/{stem}.wav", f"frames/{stem}", frames, kind))
    with (folder / f"{name}.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


def pitch(kind, i):
    return 300 * (kind + 1) + 20 * i


def number_of(clip, kind):
    """The number of the file that a clip of class number `kind` is from."""
    spectrum = np.abs(np.fft.rfft(clip * np.hanning(len(clip))))
    return round((spectrum.argmax() * RATE / len(clip) - pitch(kind, 0)) / 20)
