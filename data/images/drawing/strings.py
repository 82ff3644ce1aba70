"""Bowed strings and the harp: violin, cello, harp."""

from drawing.shapes import box, curve, line, moved, oval, path, row, turned


def fiddle(big: bool) -> str:
    """A violin upright, or a cello where `big`."""
    s, neck = (1.0, 74) if big else (0.86, 64)
    body = (
        "M112 84C86 80 74 92 76 108C77 120 88 124 88 134C88 144 70 150 70 174C70 198 90 208 112 208"
        "C134 208 154 198 154 174C154 150 136 144 136 134C136 124 147 120 148 108"
        "C150 92 138 80 112 84Z"
    )
    return "".join(
        [
            box("c", 108, 14, 8, neck + 30),
            curve("M112 14C104 4 120 0 118 12", 5),
            row(4, lambda i: line(100 if i % 2 else 124, 18 + 7 * i, 112, 20 + 7 * i, 4)),
            moved(
                f"translate({112 * (1 - s)} {208 * (1 - s) - (0 if big else 6)}) scale({s})",
                path("a", body),
                box("c", 106, 60, 12, 84, 3),
                path("c", "M106 168L118 168L116 204L108 204Z"),
                box("d", 98, 152, 28, 5, 2),
                curve("M92 136C84 142 98 156 90 164", 4),
                curve("M132 136C140 142 126 156 134 164", 4),
            ),
            row(4, lambda i: line(108.5 + 2.4 * i, 30, 107 + 3.2 * i, 190, 0.9, "d0")),
            line(112, 206, 112, 222, 5) if big else "",
        ]
    )


def bow(x1: float, y1: float, x2: float, y2: float) -> str:
    return line(x1, y1, x2, y2, 5) + line(x1 + 7, y1 + 3, x2 + 7, y2 + 3, 2)


def violin_a() -> str:
    return turned(25, fiddle(False)) + bow(40, 200, 190, 60)


def violin_b() -> str:
    return turned(-62, fiddle(False)) + bow(150, 30, 80, 214)


def cello_a() -> str:
    return fiddle(True) + bow(20, 150, 210, 128)


def cello_b() -> str:
    player = oval("d", 60, 44, 22) + path(
        "b", "M30 80Q60 60 92 82L100 150L120 190L110 214L60 200L22 214Z"
    )
    return (
        player
        + turned(10, moved("translate(30 12) scale(.92)", fiddle(True)))
        + bow(36, 166, 208, 146)
    )


def harp_a() -> str:
    return "".join(
        [
            path(
                "a",
                "M60 196L52 40C60 20 84 20 96 36C116 60 140 48 170 34L182 48C150 68 120 78 100 62"
                "C84 48 72 44 68 54L76 196Z",
            ),
            path("b", "M70 200L168 46L182 52L98 206Z"),
            box("c", 48, 196, 66, 14, 4),
            oval("d", 60, 36, 8),
            row(
                12,
                lambda i: line(
                    78 + 8 * i,
                    62 + (3 * i if i < 6 else 15 - 3 * (i - 6)),
                    86 + 7 * i,
                    184 - 10.5 * i,
                    1.4,
                ),
            ),
        ]
    )


def harp_b() -> str:
    lyre = path(
        "a",
        "M70 30C40 60 60 120 84 150L84 190L140 190L140 150C164 120 184 60 154 30L142 38"
        "C164 64 146 112 126 140L98 140C78 112 60 64 82 38Z",
    )
    return (
        lyre
        + box("b", 62, 26, 100, 10, 4)
        + box("c", 72, 188, 80, 14, 5)
        + row(7, lambda i: line(88 + 8 * i, 36, 95 + 6 * i, 146, 1.8))
    )
