"""Brass instruments: trumpet, trombone, tuba, French horn."""

from drawing.shapes import box, line, oval, path, ring, row, tube, turned


def bell(x: float, y: float, w: float, h: float, length: float) -> str:
    """A flared bell that opens to the right at (x + length, y)."""
    return path(
        "a",
        f"M{x} {y - w}"
        f"C{x + length * 0.6} {y - w} {x + length * 0.85} {y - h * 0.6} {x + length} {y - h}"
        f"L{x + length} {y + h}"
        f"C{x + length * 0.85} {y + h * 0.6} {x + length * 0.6} {y + w} {x} {y + w}Z",
    )


def trumpet_a() -> str:
    return turned(
        -14,
        bell(120, 104, 5, 38, 92),
        oval("b", 211, 104, 8, 38),
        tube("M14 104L124 104", 7),
        tube("M124 104L168 104C186 104 186 146 168 146L66 146C46 146 46 104 66 104", 7),
        row(
            3,
            lambda i: (
                box("b", 86 + 20 * i, 84, 14, 66, 3)
                + box("d", 89 + 20 * i, 66, 8, 18, 2)
                + oval("d", 93 + 20 * i, 64, 8, 4)
            ),
        ),
        path("b", "M2 94L18 100L18 108L2 114Z"),
    )


def trumpet_b() -> str:
    horn = bell(104, 112, 6, 44, 104) + oval("c", 208, 112, 9, 44) + tube("M30 112L110 112", 9)
    loop = tube("M110 112C150 112 150 150 112 150L80 150C44 150 44 112 80 112", 8)
    return turned(24, loop, horn, path("b", "M10 98L32 108L32 116L10 126Z")) + row(
        3, lambda i: turned(24, box("d", 80 + 16 * i, 82, 10, 34, 4))
    )


def trombone_a() -> str:
    return turned(
        -24,
        bell(120, 86, 5, 36, 92),
        oval("b", 211, 86, 8, 36),
        tube("M60 86L124 86", 6),
        tube("M60 86C36 86 36 120 60 120L200 120", 6),
        tube("M26 152L208 152C222 152 222 136 208 136L40 136", 6, "b"),
        line(150, 120, 150, 152, 5),
        line(84, 86, 84, 150, 5),
        path("c", "M12 144L28 149L28 155L12 160Z"),
    )


def trombone_b() -> str:
    man = oval("d", 52, 54, 20) + path("b", "M20 92Q50 70 82 92L86 214L20 214Z")
    return (
        man
        + turned(
            14,
            tube("M70 66L216 66C226 66 226 84 216 84L92 84", 5),
            bell(96, 44, 4, 30, 84),
            oval("c", 180, 44, 7, 30),
            tube("M40 44L100 44", 5),
            tube("M40 44C24 44 24 66 44 66L80 66", 5),
        )
        + line(70, 110, 128, 100, 11)
    )


def tuba_a() -> str:
    return "".join(
        [
            path("a", "M96 60C98 40 84 24 62 14L162 14C140 24 128 40 128 60L132 150L92 150Z"),
            oval("c", 112, 15, 50, 9),
            tube("M112 150C112 214 52 214 52 150L52 110C52 80 80 84 84 100", 15),
            tube("M112 160C112 196 172 204 172 150L172 112C172 92 152 92 150 108L150 160", 13, "b"),
            row(
                3, lambda i: box("b", 88 + 18 * i, 96, 13, 60, 3) + oval("d", 94 + 18 * i, 92, 9, 4)
            ),
            tube("M52 118C30 112 30 92 26 84", 6),
            oval("c", 25, 82, 8, 5),
        ]
    )


def tuba_b() -> str:
    return turned(
        10,
        tube("M120 120C180 120 190 206 112 206C40 206 40 110 100 104", 20),
        tube("M100 104C140 100 150 60 138 40", 16),
        path("a", "M146 44L126 42C120 30 90 24 84 8L196 2C188 20 160 30 146 44Z"),
        oval("c", 140, 6, 57, 8, -3),
        tube("M92 160C92 130 136 130 136 160C136 180 92 182 92 160", 9, "b"),
        row(3, lambda i: box("d", 84 + 16 * i, 118, 9, 30, 3)),
        tube("M60 130L34 110", 6),
    )


def french_horn_a() -> str:
    return "".join(
        [
            tube("M92 110C92 60 160 50 168 104C176 164 92 178 82 124C74 80 110 52 140 60", 9),
            ring(122, 112, 46, (15, 10)),
            ring(122, 112, 27, (11, 7), "b"),
            path("a", "M132 152C116 160 104 176 70 218L14 160C56 142 76 134 90 122Z"),
            oval("c", 42, 189, 41, 14, 46),
            row(3, lambda i: box("d", 106 + 14 * i, 100, 10, 26, 3)),
            tube("M140 66C160 40 180 38 204 24", 6),
            path("c", "M198 18L214 14L210 30Z"),
        ]
    )


def french_horn_b() -> str:
    return "".join(
        [
            ring(112, 118, 66, (18, 13)),
            ring(106, 112, 42, (13, 9), "b"),
            oval("a", 150, 152, 54, 48),
            oval("b", 152, 154, 42, 37),
            oval("c", 156, 158, 22, 19),
            row(3, lambda i: oval("d", 78 + 17 * i, 96, 7)),
            tube("M60 76C46 50 40 40 22 26", 6),
            oval("c", 20, 22, 7),
        ]
    )
