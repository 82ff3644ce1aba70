"""Plucked instruments with frets: guitars, bass and banjo."""

import math

from drawing.shapes import box, dots, line, moved, oval, path, row, turned


def guitar_body() -> str:
    body = (
        "M112 100C92 92 78 100 80 116C81 128 88 130 84 140C78 150 66 154 66 176"
        "C66 202 88 214 112 214"
        "C136 214 158 202 158 176C158 154 146 150 140 140C136 130 143 128 144 116"
        "C146 100 132 92 112 100Z"
    )
    return "".join(
        [
            box("c", 105, 22, 14, 100),
            box("b", 101, 2, 22, 28, 3),
            row(3, lambda i: oval("d", 97, 7 + 8 * i, 4, 2.5) + oval("d", 127, 7 + 8 * i, 4, 2.5)),
            path("a", body),
            oval("c", 112, 142, 17),
            box("c", 94, 184, 36, 7, 2),
            row(9, lambda i: line(105, 34 + 9 * i, 119, 34 + 9 * i, 1.2, "d0")),
            row(6, lambda i: line(106.5 + 2.2 * i, 20, 104 + 3.2 * i, 186, 0.8, "d0")),
        ]
    )


def acoustic_guitar_a() -> str:
    return turned(30, guitar_body())


def acoustic_guitar_b() -> str:
    cut = path("c", "M146 94L160 96L158 128L146 122Z")
    return turned(-75, guitar_body(), cut) + oval("d", 150, 120, 10, 16, 30)


def solid_guitar(strings: int, long: bool) -> str:
    """An electric guitar, or a bass: fewer strings and a long neck."""
    horn = (
        "M100 112C90 92 78 96 82 118C84 132 76 140 72 156C64 190 84 214 112 212"
        "C140 214 160 190 152 158"
        "C148 142 140 132 142 112C146 90 134 92 126 112Z"
    )
    top = -18 if long else 8
    return "".join(
        [
            box("c", 107, top, 11, 122 - top),
            path("b", f"M104 {top + 6}L106 {top - 16}L122 {top - 12}L120 {top + 6}Z"),
            row(strings // 2 + 1, lambda i: oval("d", 124, top - 10 + 6 * i, 4, 2.4)),
            path("a", horn),
            path("d", "M96 128C92 150 96 180 104 196L128 190C134 160 132 140 128 126Z"),
            box("c", 99, 142, 26, 7, 3),
            box("c", 99, 162, 26, 7, 3),
            box("c", 100, 184, 25, 8, 2),
            oval("c", 138, 180, 5),
            oval("c", 132, 196, 5),
            row(12, lambda i: line(107, top + 14 + 8 * i, 118, top + 14 + 8 * i, 1, "d0")),
            row(
                strings,
                lambda i: line(
                    109 + i * 7 / (strings - 1), top, 104 + i * 16 / (strings - 1), 186, 1, "d0"
                ),
            ),
        ]
    )


def electric_guitar_a() -> str:
    return turned(35, solid_guitar(6, False))


def electric_guitar_b() -> str:
    vee = path("a", "M112 100L58 206L84 214L112 168L140 214L166 206Z") + box("c", 107, 6, 10, 120)
    head = path("b", "M104 10L96 -8L128 -8L120 10Z")
    return turned(
        -40,
        vee,
        head,
        box("d", 98, 138, 28, 7, 3),
        box("d", 98, 154, 28, 7, 3),
        row(6, lambda i: line(108.5 + 1.4 * i, 0, 106 + 2.4 * i, 166, 0.9, "d0")),
    )


def electric_bass_a() -> str:
    return turned(42, moved("translate(14 26) scale(.87)", solid_guitar(4, True)))


def electric_bass_b() -> str:
    body = (
        "M96 138C78 120 66 128 74 150C80 170 74 178 82 196C92 214 136 216 146 196"
        "C154 178 140 172 150 152C160 130 138 124 128 138Z"
    )
    return turned(
        -55,
        box("c", 106, -6, 13, 160),
        path("b", "M102 -4L100 -30L116 -34L124 -6Z"),
        row(4, lambda i: oval("d", 96 if i % 2 else 126, -26 + 6 * i, 6, 3)),
        path("a", body),
        box("c", 98, 160, 30, 12, 2),
        box("d", 98, 190, 30, 10, 2),
        row(4, lambda i: line(108 + 3 * i, -10, 105 + 5 * i, 194, 1.6, "d0")),
    )


def banjo(tilt: float) -> str:
    return turned(
        tilt,
        box("b", 106, 8, 12, 130),
        box("c", 101, 2, 22, 24, 4),
        row(2, lambda i: oval("d", 96, 8 + 10 * i, 5, 3) + oval("d", 128, 8 + 10 * i, 5, 3)),
        oval("d", 100, 78, 6, 3),
        oval("b", 112, 162, 54),
        oval("d", 112, 162, 46),
        dots(16, 112, 162, 50, math.pi / 8, 3),
        box("a", 98, 176, 28, 6, 2),
        row(14, lambda i: line(106, 30 + 6 * i, 118, 30 + 6 * i, 1, "d0")),
        row(5, lambda i: line(107.5 + 2.2 * i, 24, 104 + 4 * i, 208, 0.9)),
    )


def banjo_a() -> str:
    return banjo(28)


def banjo_b() -> str:
    return banjo(-60) + oval("c", 112, 112, 3)
