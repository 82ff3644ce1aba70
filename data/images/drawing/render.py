"""Gives the roles of a drawing's shapes their colours and lines, and makes a whole SVG of them."""

from collections.abc import Callable
from typing import NamedTuple

# Colours of body, second part, dark detail and light detail: the roles a, b, c and d.
Palette = tuple[str, str, str, str]

PALETTES: dict[str, Palette] = {
    "wood": ("#b5651d", "#7a3b10", "#2b1a10", "#f3d9a4"),
    "dark wood": ("#6b2d13", "#3c1808", "#1d100a", "#e0b27a"),
    "brass": ("#e6b422", "#b8860b", "#5c4108", "#fff2b8"),
    "silver": ("#c3cbd3", "#8a949e", "#3d444b", "#f6f9fc"),
    "red": ("#c62828", "#8e1a1a", "#2a0d0d", "#ffd9d0"),
    "blue": ("#2f6fb5", "#1c4675", "#0d1f33", "#d6e8fb"),
    "green": ("#3f8f4f", "#27592f", "#10260f", "#dcf3d8"),
    "black": ("#33373d", "#17191c", "#050505", "#e8e8ea"),
    "skin": ("#f0b98d", "#c98a5c", "#6b3f22", "#fff0e0"),
    "violet": ("#7d4fa6", "#4f2d70", "#241033", "#ecdcf8"),
}


class Look(NamedTuple):
    """How the shapes are filled and stroked."""

    fills: Palette
    stroke: str
    width: float
    shaded: bool = False


LOOKS: dict[str, Callable[[Palette], Look]] = {
    "flat": lambda p: Look(p, p[2], 1.5),
    "outline": lambda p: Look(("#ffffff", "#f4f4f4", "#444444", "#ffffff"), "#111111", 3.5),
    "silhouette": lambda p: Look((p[2], p[2], p[2], p[2]), p[2], 2),
    "shaded": lambda p: Look(p, p[2], 0.6, shaded=True),
    "bold": lambda p: Look(p, "#151515", 5),
    "soft": lambda p: Look((p[3], p[0], p[1], "#ffffff"), p[1], 2, shaded=True),
}


class Rendering(NamedTuple):
    """One way to show a class: which construction, which of its two palettes, and how."""

    construction: int
    palette: int
    look: str
    turn: float
    mirrored: bool
    stretch: float = 1.0


RENDERINGS = (
    Rendering(0, 0, "flat", 0, False),
    Rendering(0, 1, "outline", 15, True),
    Rendering(0, 1, "shaded", -12, False, 1.06),
    Rendering(1, 1, "flat", 0, False),
    Rendering(1, 0, "silhouette", -18, True),
    Rendering(1, 0, "bold", 10, False, 0.94),
    Rendering(0, 1, "bold", -32, True, 0.92),
    Rendering(1, 0, "soft", 24, True, 1.1),
)


def picture(shapes: str, palette: str, how: Rendering) -> str:
    """The SVG of a construction's shapes in the palette of that name, 224 x 224."""
    look = LOOKS[how.look](PALETTES[palette])
    flip = "translate(224 0) scale(-1 1)" if how.mirrored else ""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 224 224" width="224" height="224">'
        f"<defs>{_gradients(look)}<style>{_style(look, how.look)}</style></defs>"
        f'<g transform="translate(112 112) rotate({how.turn}) scale({0.88 * how.stretch:.3f} '
        f'{0.88 / how.stretch:.3f}) translate(-112 -112) {flip}">{shapes}</g></svg>'
    )


def _gradients(look: Look) -> str:
    if not look.shaded:
        return ""
    return "".join(
        f'<linearGradient id="g{role}" x1="0" y1="0" x2="1" y2="1">'
        f'<stop offset="0" stop-color="#fff"/><stop offset=".35" stop-color="{fill}"/>'
        f'<stop offset="1" stop-color="{look.fills[2]}"/></linearGradient>'
        for role, fill in zip("abcd", look.fills)
    )


def _style(look: Look, name: str) -> str:
    a, b, _, d = look.fills
    stroke = look.stroke
    style = "".join(
        f".{role}{{fill:{f'url(#g{role})' if look.shaded else fill};stroke:{stroke};"
        f"stroke-width:{look.width};stroke-linejoin:round}}"
        f".s{role}{{stroke:{fill}}}.c{role}{{stroke:{stroke}}}"
        for role, fill in zip("abcd", look.fills)
    )
    thin = {"outline": stroke, "silhouette": a}.get(name, d)
    style += (
        f".k{{fill:none;stroke:{stroke};stroke-linecap:round}}"
        f".kd{{fill:none;stroke:{b};stroke-linecap:round}}.d0{{fill:none;stroke:{thin}}}"
        f".t{{fill:none;stroke-linecap:round;stroke-linejoin:round}}"
    )
    if name == "silhouette":
        # Gaps between the parts keep a silhouette readable.
        style += "".join(f".{role}{{stroke:#fff;stroke-width:2.2}}" for role in "cd")
    return style
