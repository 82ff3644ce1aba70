"""Percussion other than drums.

Cowbell, cymbal, maracas, tambourine, triangle, wood block, xylophone.
"""

from drawing.shapes import box, curve, line, moved, oval, path, ring, row, sticks, turned


def cowbell_a() -> str:
    return turned(
        -18,
        path("a", "M82 52L142 52L182 178L42 178Z"),
        path("b", "M82 52L142 52L146 66L78 66Z"),
        oval("c", 112, 178, 70, 14),
        curve("M92 52C92 22 132 22 132 52", 8),
        oval("d", 112, 184, 12, 9),
    )


def cowbell_b() -> str:
    return turned(
        40,
        path("a", "M60 86L150 62L150 162L60 138Z"),
        oval("c", 150, 112, 16, 50),
        box("b", 40, 100, 22, 24, 4),
        line(60, 112, 20, 112, 8),
    ) + turned(-30, sticks(190, 214, 112, 112, 3))


def cymbal_a() -> str:
    return (
        oval("a", 112, 78, 100, 22, -8)
        + oval("b", 112, 74, 60, 12, -8)
        + path("d", "M92 72C98 54 126 52 132 66Z")
        + line(112, 80, 114, 206, 6)
        + line(114, 190, 64, 220, 6)
        + line(114, 190, 164, 220, 6)
    )


def cymbal_b() -> str:
    def plate(x: float, t: float) -> str:
        return (
            oval("a", x, 112, 30, 92, t)
            + oval("b", x, 112, 20, 62, t)
            + oval("d", x, 112, 9, 22, t)
        )

    return (
        plate(68, 14)
        + plate(158, -14)
        + line(24, 112, 62, 112, 10)
        + line(164, 112, 202, 112, 10)
        + row(5, lambda i: line(112, 70, 92 + 10 * i, 22, 3))
    )


def maraca() -> str:
    return (
        oval("a", 112, 66, 40, 50)
        + path("b", "M104 112L120 112L118 206L106 206Z")
        + curve("M76 52Q112 66 148 52", 6, "d0")
        + curve("M74 78Q112 94 150 78", 6, "d0")
        + row(4, lambda i: oval("d", 90 + 15 * i, 66, 4))
    )


def maracas_a() -> str:
    return turned(-26, moved("translate(-34 8) scale(.95)", maraca())) + turned(
        28, moved("translate(44 8) scale(.95)", maraca())
    )


def maracas_b() -> str:
    return (
        turned(55, maraca())
        + turned(0, curve("M150 20Q190 40 196 80", 4), curve("M168 10Q208 30 214 74", 4))
        + oval("d", 60, 150, 16, 12, 30)
    )


def jingles(n: int, r: float, y: float) -> str:
    """`n` pairs of jingles on a circle of radius `r` around (112, y)."""
    return row(
        n,
        lambda i: turned(
            360 / n * i + 20,
            box("c", 97, y - r - 10, 30, 20, 4),
            oval("d", 112, y - r - 5, 12, 4),
            oval("d", 112, y - r + 5, 12, 4),
            y=y,
        ),
    )


def tambourine_a() -> str:
    return oval("a", 112, 112, 98) + oval("d", 112, 112, 74) + jingles(7, 86, 112)


def tambourine_b() -> str:
    return moved(
        "translate(0 36) scale(1 .72)", ring(112, 104, 78, (26, 21)), jingles(8, 78, 104)
    ) + path("b", "M30 150C16 170 30 196 50 190L72 168L52 146Z")


def triangle_shape(w: float) -> str:
    bent = "M150 186L36 186L112 54L172 158"
    return curve(bent, w + 5, "t ca") + curve(bent, w, "t sa")


def triangle_a() -> str:
    return triangle_shape(11) + curve("M112 52C104 30 110 14 118 4", 3) + line(206, 92, 128, 168, 7)


def triangle_b() -> str:
    return (
        turned(-8, triangle_shape(15))
        + path("d", "M92 0L132 0L128 34C124 44 100 44 96 34Z")
        + curve("M112 34L112 60", 3)
        + turned(60, line(112, 20, 112, 120, 8))
    )


def wood_block_a() -> str:
    return (
        path("a", "M26 108L150 80L204 104L204 152L80 184L26 158Z")
        + path("d", "M26 108L150 80L204 104L80 134Z")
        + path("c", "M86 150L196 122L196 132L86 161Z")
        + line(80, 134, 80, 184, 3)
        + sticks(196, 20, 112, 96, 13)
    )


def wood_block_b() -> str:
    block = (
        "<g>"
        + box("a", 16, 96, 88, 44, 20)
        + box("b", 104, 102, 22, 32)
        + box("a", 126, 96, 88, 44, 20)
        + "</g>"
        + box("c", 24, 114, 44, 6, 3)
        + box("c", 160, 114, 44, 6, 3)
        + box("b", 107, 134, 16, 78, 6)
    )
    return turned(-10, block) + turned(8, sticks(60, 10, 66, 88, 11))


def bars(n: int, slope: float) -> str:
    """The bars of a xylophone, each shorter by `slope` at both ends than the one before."""
    return row(
        n,
        lambda i: (
            path(
                "a" if i % 2 else "b",
                f"M{16 + i * 192 / n:.1f} {66 + slope * i}"
                f"L{16 + (i + 0.8) * 192 / n:.1f} {66 + slope * i}"
                f"L{16 + (i + 0.8) * 192 / n:.1f} {166 - slope * i}"
                f"L{16 + i * 192 / n:.1f} {166 - slope * i}Z",
            )
            + oval("d", round(16 + (i + 0.4) * 192 / n, 1), 82 + slope * i, 2.4)
            + oval("d", round(16 + (i + 0.4) * 192 / n, 1), 150 - slope * i, 2.4)
        ),
    )


def xylophone_a() -> str:
    return (
        path("c", "M10 88L214 104L214 116L10 100Z")
        + path("c", "M10 132L214 118L214 130L10 146Z")
        + bars(10, 4)
        + sticks(200, 14, 132, 92, 11)
        + sticks(40, 206, 92, 130, 11)
    )


def xylophone_b() -> str:
    pipes = row(11, lambda i: box("d", 30 + 15 * i, 112, 10, 84 - 6 * i, 4))
    return (
        pipes
        + turned(0, path("c", "M16 92L208 92L202 112L22 112Z"))
        + row(
            11,
            lambda i: path(
                "a" if i % 3 else "b",
                f"M{26 + 15.6 * i:.1f} 84L{38 + 15.6 * i:.1f} 84L{38 + 15.2 * i:.1f} 120"
                f"L{25 + 15.2 * i:.1f} 120Z",
            ),
        )
        + line(22, 110, 30, 216, 7)
        + line(202, 110, 196, 216, 7)
        + sticks(50, 14, 84, 82, 9)
        + sticks(176, 12, 142, 82, 9)
    )
