"""The strokes and shapes that all drawings are made of, as SVG elements.

A shape carries a role, not a colour: a body, b second part, c dark detail, d light detail, k stroke
(kd: a stroke in the colour of the second part; d0: a light stroke). `render` gives the roles their
colours. The sheet is 224 x 224, its middle at (112, 112).
"""

import math
from collections.abc import Callable


def path(role: str, d: str) -> str:
    return f'<path class="{role}" d="{d}"/>'


def oval(role: str, x: float, y: float, rx: float, ry: float | None = None, turn: float = 0) -> str:
    ry = rx if ry is None else ry
    return (
        f'<ellipse class="{role}" cx="{x}" cy="{y}" rx="{rx}" ry="{ry}" '
        f'transform="rotate({turn} {x} {y})"/>'
    )


def box(role: str, x: float, y: float, w: float, h: float, r: float = 0) -> str:
    return f'<rect class="{role}" x="{x}" y="{y}" width="{w}" height="{h}" rx="{r}"/>'


def curve(d: str, width: float = 3, role: str = "k") -> str:
    return f'<path class="{role}" style="stroke-width:{width}" d="{d}"/>'


def line(x1: float, y1: float, x2: float, y2: float, width: float = 3, role: str = "k") -> str:
    return curve(f"M{x1} {y1}L{x2} {y2}", width, role)


def sticks(x1: float, y1: float, x2: float, y2: float, tip: float = 5) -> str:
    return line(x1, y1, x2, y2, 5) + oval("b", x2, y2, tip)


def tube(d: str, width: float, role: str = "a") -> str:
    """A bent pipe: a wide dark line under a narrower coloured one."""
    return curve(d, width + 4, f"t c{role}") + curve(d, width, f"t s{role}")


def ring(x: float, y: float, r: float, widths: tuple[float, float], role: str = "a") -> str:
    """A closed tube: a circle of the first width, dark, under one of the second in a colour."""
    where = f'cx="{x}" cy="{y}" r="{r}"'
    return "".join(
        f'<circle class="t {colour}" style="stroke-width:{width}" {where}/>'
        for colour, width in zip(("ca", f"s{role}"), widths)
    )


def moved(transform: str, *parts: str) -> str:
    return f'<g transform="{transform}">{"".join(parts)}</g>'


def turned(angle: float, *parts: str, x: float = 112, y: float = 112) -> str:
    """Parts turned clockwise by `angle` degrees around (x, y)."""
    return moved(f"rotate({angle} {x} {y})", *parts)


def row(count: int, draw: Callable[[int], str]) -> str:
    return "".join(draw(i) for i in range(count))


def dots(
    count: int, x: float, y: float, radius: float, step: float, size: float, start: float = 0
) -> str:
    """Dark dots on a circle around (x, y), `step` radians apart."""
    angles = [start + step * i for i in range(count)]
    return "".join(
        oval("c", round(x + radius * math.cos(t), 1), round(y + radius * math.sin(t), 1), size)
        for t in angles
    )
