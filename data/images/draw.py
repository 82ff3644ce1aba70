"""Makes the pictures of this folder: `pip install resvg_py`, then `python draw.py`.

They come from two sources. Where a class has SVG files, 0 to 7, eight constructions, each becomes
the PNG of its name. The package `drawing` adds two constructions a class (another view, or another
kind of the instrument), each in several renderings: flat colours, dark outlines, a silhouette,
shading, bold strokes. Its pictures are 8 to 15, or 0 to 7 where there is no SVG. Files 6 and 7 are
held out for test, all others are for training.
"""

from pathlib import Path

import resvg_py
from drawing.classes import CLASSES, pictures


def main() -> None:
    for name in CLASSES:
        folder = Path(__file__).parent / name
        folder.mkdir(exist_ok=True)
        sources = sorted(folder.glob("*.svg"))
        for source in sources:
            png = resvg_py.svg_to_bytes(svg_path=str(source))
            source.with_suffix(".png").write_bytes(bytes(png))
        for number, svg in enumerate(pictures(name), start=8 if sources else 0):
            png = resvg_py.svg_to_bytes(svg_string=svg)
            (folder / f"{number}.png").write_bytes(bytes(png))


if __name__ == "__main__":
    main()
