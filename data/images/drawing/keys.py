"""Keyboard instruments: piano, organ, accordion."""

from drawing.shapes import box, oval, path, row, turned


def keyboard(x: float, y: float, w: float, h: float, n: int) -> str:
    """`n` white keys, and the black ones between them."""
    white = row(
        n,
        lambda i: (
            f'<rect class="d" style="stroke:#111;stroke-width:1" x="{x + i * w / n:.1f}" y="{y}" '
            f'width="{w / n:.1f}" height="{h}"/>'
        ),
    )
    return white + row(
        n - 1,
        lambda i: (
            ""
            if i % 7 in (2, 6)
            else box(
                "c", round(x + (i + 0.68) * w / n, 1), y, round(0.62 * w / n, 1), round(h * 0.6, 1)
            )
        ),
    )


def piano_a() -> str:
    return "".join(
        [
            path(
                "a",
                "M30 100L30 70C30 58 60 54 90 54C120 54 118 30 150 26"
                "C180 22 196 40 196 70L196 100Z",
            ),
            path(
                "b",
                "M30 70L20 20L150 6C180 6 194 30 196 60C180 30 150 26 120 50C90 56 60 54 30 70Z",
            ),
            box("c", 26, 100, 174, 26, 4),
            keyboard(34, 104, 158, 20, 21),
            path("b", "M38 126L46 126L44 206L38 206Z"),
            path("b", "M180 126L188 126L188 206L182 206Z"),
            path("b", "M108 126L116 126L114 196L110 196Z"),
            oval("d", 112, 200, 6, 3),
        ]
    )


def piano_b() -> str:
    return "".join(
        [
            box("a", 34, 26, 156, 178, 6),
            box("b", 42, 36, 140, 54, 3),
            path("d", "M86 50L138 50L140 82L84 82Z"),
            box("c", 26, 108, 172, 34, 4),
            keyboard(32, 112, 160, 22, 19),
            box("b", 42, 150, 140, 46, 3),
            box("c", 30, 200, 26, 10),
            box("c", 168, 200, 26, 10),
            oval("d", 104, 194, 4, 7),
            oval("d", 120, 194, 4, 7),
        ]
    )


def organ_a() -> str:
    heights = [90, 112, 134, 156, 134, 112, 90]
    pipes = row(
        7,
        lambda i: (
            box("d", 34 + 23 * i, 170 - heights[i], 18, heights[i], 8)
            + path("c", f"M{38 + 23 * i} 140L{48 + 23 * i} 140L{43 + 23 * i} 152Z")
        ),
    )
    return (
        pipes
        + box("a", 24, 166, 176, 50, 4)
        + keyboard(44, 172, 136, 12, 22)
        + keyboard(44, 188, 136, 12, 22)
        + box("b", 20, 206, 184, 12, 3)
    )


def organ_b() -> str:
    return "".join(
        [
            box("a", 26, 66, 172, 84, 8),
            box("b", 20, 58, 184, 14, 5),
            keyboard(40, 92, 144, 20, 20),
            keyboard(40, 120, 144, 20, 20),
            row(9, lambda i: box("d", 46 + 15 * i, 78, 9, 9, 2)),
            box("b", 34, 150, 14, 62),
            box("b", 176, 150, 14, 62),
            box("c", 60, 196, 104, 14, 4),
            row(8, lambda i: box("d", 66 + 12 * i, 198, 6, 20, 2)),
        ]
    )


def accordion_a() -> str:
    return "".join(
        [
            box("a", 18, 46, 56, 136, 12),
            box("a", 150, 46, 56, 136, 12),
            row(
                6,
                lambda i: path(
                    "b" if i % 2 else "d",
                    f"M{74 + 12.7 * i:.1f} {52 + 6 * (i % 2)}"
                    f"L{86.7 + 12.7 * i:.1f} {58 - 6 * (i % 2)}"
                    f"L{86.7 + 12.7 * i:.1f} {170 + 6 * (i % 2)}"
                    f"L{74 + 12.7 * i:.1f} {176 - 6 * (i % 2)}Z",
                ),
            ),
            row(11, lambda i: box("d", 24, 56 + 10.6 * i, 30, 9.6, 1)),
            row(10, lambda i: "" if i % 7 in (2, 6) else box("c", 24, 62 + 10.6 * i, 18, 6)),
            row(15, lambda i: oval("c", 166 + 12 * (i % 3), 64 + 20 * (i // 3), 4)),
        ]
    )


def accordion_b() -> str:
    fan = row(9, lambda i: turned(-32 + 8 * i, box("d" if i % 2 else "b", 100, 76, 24, 96), y=250))
    return (
        fan
        + turned(
            -40,
            box("a", 92, 66, 36, 116, 8),
            row(5, lambda i: oval("d", 110, 84 + 20 * i, 6)),
            y=250,
        )
        + turned(
            40,
            box("a", 96, 66, 36, 116, 8),
            row(5, lambda i: oval("d", 114, 84 + 20 * i, 6)),
            y=250,
        )
    )
