"""Contrast of text with what is behind it, as WCAG 2 defines it: from 1 to 21, 4.5 is readable."""

import re

ENOUGH = 4.5
NAMES = {"white": "#ffffff", "black": "#000000"}


def contrast(text: str, behind: str) -> float:
    """The contrast of two colours of CSS; a transparent text is mixed with what is behind it."""
    back = _channels(behind, (1.0, 1.0, 1.0))
    light, dark = sorted((_luminance(_channels(text, back)), _luminance(back)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _channels(colour: str, behind: tuple[float, ...]) -> tuple[float, ...]:
    """Red, green and blue, from 0 to 1."""
    colour = NAMES.get(colour, colour)
    if short := re.fullmatch(r"#([0-9a-fA-F])([0-9a-fA-F])([0-9a-fA-F])", colour):
        colour = "#" + "".join(2 * digit for digit in short.groups())
    if re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    found = re.fullmatch(r"rgba?\(([^)]*)\)", colour)
    assert found, f"{colour!r} is no colour that this knows"
    *rgb, alpha = ([float(each) for each in found[1].split(",")] + [1.0])[:4]
    return tuple(alpha * c / 255 + (1 - alpha) * b for c, b in zip(rgb, behind))


def _luminance(rgb: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def faint(styles: list[str]) -> list[str]:
    """Inline styles whose text is hard to read; where they name no background, it is white."""
    problems = []
    for style in styles:
        found = dict(re.findall(r"(?<![\w-])(color|background(?:-color)?)\s*:\s*([^;]+)", style))
        behind = found.get("background", found.get("background-color", "white"))
        if "color" in found and contrast(found["color"], behind) < ENOUGH:
            problems.append(f"text of colour {found['color']} on {behind} is hard to read")
    return problems
