"""Films that the tests encode from our drawings and our renders, and runs of `prepare` on them."""

from dataclasses import replace

import numpy as np
import pytest

from mars_lib.data import manifests
from mars_lib.data.pictures import drawings, load_picture
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.data.videos import decode, downloads, prepare

SECONDS, FPS = 3, 4
KINDS = {sound.name: sound for sound in sound_classes()}


def draw(kind):
    """Drawings of a class as (224, 224, 3) uint8, one for every second of a film."""
    pictures = [load_picture(path) for path in drawings(KINDS[kind], "train")[:SECONDS]]
    return [(255 * p.permute(1, 2, 0)).byte().numpy() for p in pictures]


def play(kind, number=0):
    """Our render of a class, (L,) float32."""
    return replace(manifests.music(), length=SECONDS * decode.RATE).clip(
        "train", KINDS[kind], number
    )


def encode(path, pictures=(), wave=None, rate=decode.RATE, layout="mono", **options):
    """A film of one picture a second and a sound, (L,), at `rate`."""
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options) as container:
        if len(pictures):
            codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
            film = container.add_stream(codec, rate=FPS)
            film.height, film.width, film.pix_fmt = *pictures[0].shape[:2], "yuv420p"
        if wave is not None:
            track = container.add_stream("aac", rate=rate, layout=layout)
        container.start_encoding()
        for number, picture in enumerate(p for p in pictures for _ in range(FPS)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(film.encode(frame))
        if len(pictures):
            container.mux(film.encode())
        if wave is not None:
            channels = len(av.AudioLayout(layout).channels)
            for start in range(0, len(wave), 1_024):
                piece = np.tile(wave[start : start + 1_024].astype(np.float32), (channels, 1))
                frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
                frame.sample_rate, frame.pts = rate, start
                container.mux(track.encode(frame))
            container.mux(track.encode())
    return path


def run(films, out, **options):
    return prepare.prepare(
        downloads.music(films), out, {}, **{"shortest": 2, "progress": False} | options
    )


def problem(path, shortest=2):
    """What a run says of one film."""
    outcome = prepare.prepare_one(
        downloads.Source(path, "kind/one", "kind"), path.parent / "out", shortest
    )
    return outcome.problem


def files(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
