"""Bagpipe, harmonica and woodwinds."""

from drawing.shapes import box, curve, line, oval, path, row, tube, turned


def bagpipe_a() -> str:
    return "".join(
        [
            tube("M96 110L60 14", 9, "b"),
            tube("M112 106L104 10", 9, "b"),
            tube("M128 108L150 16", 9, "b"),
            path(
                "a",
                "M52 120C60 90 120 84 168 104C196 118 190 168 150 178C110 188 70 170 60 150"
                "C52 140 48 132 52 120Z",
            ),
            row(4, lambda i: line(70 + 26 * i, 104, 80 + 26 * i, 172, 3, "d0")),
            row(2, lambda i: line(62, 124 + 26 * i, 178, 120 + 26 * i, 3, "d0")),
            tube("M76 160L48 214", 7, "b"),
            row(5, lambda i: oval("d", 71 - 4.8 * i, 172 + 8 * i, 2.5)),
            tube("M166 112L204 84", 7, "b"),
            oval("d", 60, 14, 7, 5),
            oval("d", 104, 10, 7, 5),
            oval("d", 150, 16, 7, 5),
        ]
    )


def bagpipe_b() -> str:
    player = (
        oval("d", 112, 34, 20)
        + path("c", "M88 22Q112 2 136 22L134 12Q112 -6 90 12Z")
        + path("b", "M76 62L148 62L154 140L70 140Z")
        + path("a", "M68 138L156 138L166 186L58 186Z")
    )
    kilt = row(6, lambda i: line(72 + 16 * i, 140, 66 + 18 * i, 184, 2, "d0"))
    pipes = (
        tube("M130 84L150 10", 6, "b")
        + tube("M140 86L172 20", 6, "b")
        + tube("M150 90L192 36", 6, "b")
    )
    return (
        player
        + kilt
        + box("c", 78, 186, 18, 32, 4)
        + box("c", 128, 186, 18, 32, 4)
        + pipes
        + oval("a", 128, 98, 34, 20, 14)
        + tube("M108 108L92 160", 5, "b")
        + tube("M120 84L112 50", 4, "b")
    )


def harmonica_a() -> str:
    return turned(
        -12,
        box("a", 16, 84, 192, 22, 8),
        box("b", 20, 104, 184, 20),
        box("a", 16, 122, 192, 22, 8),
        row(10, lambda i: box("d", 28 + 17 * i, 107, 12, 14, 1)),
        row(3, lambda i: line(40, 90 + 5 * i, 184, 90 + 5 * i, 1.2)),
    )


def harmonica_b() -> str:
    hand = path("d", "M20 132C30 100 60 92 96 100L96 164C60 176 28 168 20 132Z") + path(
        "d", "M204 132C194 100 164 92 128 100L128 164C164 176 196 168 204 132Z"
    )
    return (
        box("a", 34, 78, 156, 54, 10)
        + box("c", 44, 96, 136, 18, 2)
        + row(10, lambda i: box("d", 47 + 13.4 * i, 98, 9, 14, 1))
        + hand
        + row(4, lambda i: line(34 + 8 * i, 140 - 6 * i, 92, 128 + 9 * i, 2))
    )


def clarinet_a() -> str:
    return turned(
        38,
        box("a", 104, 16, 16, 170, 6),
        path("a", "M104 182L120 182L136 218L88 218Z"),
        path("c", "M106 18L118 18L115 -12L110 -12Z"),
        box("d", 102, 34, 20, 5),
        box("d", 102, 112, 20, 5),
        row(7, lambda i: oval("d", 112, 52 + 18 * i, 5)),
        row(5, lambda i: line(121, 58 + 22 * i, 128, 66 + 22 * i, 4)),
    )


def clarinet_b() -> str:
    hand = oval("d", 96, 90, 16, 9, -20) + oval("d", 128, 140, 16, 9, 20)
    return turned(
        -30,
        box("a", 103, 10, 18, 176, 6),
        path("a", "M103 184L121 184L138 218L86 218Z"),
        path("c", "M105 12L119 12L114 -16L108 -16Z"),
        row(8, lambda i: oval("d", 112, 44 + 17 * i, 6, 5)),
        box("d", 100, 100, 24, 6),
        hand,
    )


def flute_a() -> str:
    return turned(
        -28,
        box("a", 2, 104, 222, 13, 5),
        box("b", 30, 101, 22, 19, 5),
        oval("c", 42, 106, 7, 4),
        row(9, lambda i: oval("d", 92 + 13 * i, 108, 5.5)),
        row(6, lambda i: line(98 + 18 * i, 100, 108 + 18 * i, 98, 4)),
        box("b", 76, 101, 6, 19),
    )


def flute_b() -> str:
    face = path(
        "d",
        "M60 20C20 30 14 90 34 120C44 134 60 132 74 124C84 118 78 108 84 104C92 98 84 92 86 86"
        "C94 76 82 66 80 52C78 36 76 22 60 20Z",
    )
    return (
        face
        + turned(
            16,
            box("a", 74, 84, 150, 12, 5),
            row(7, lambda i: oval("b", 110 + 14 * i, 88, 5)),
            x=74,
            y=90,
        )
        + oval("d", 132, 124, 16, 9, 20)
        + oval("d", 180, 138, 16, 9, 20)
    )


def bassoon_a() -> str:
    return turned(
        22,
        box("a", 98, 20, 16, 186, 6),
        box("b", 116, 70, 15, 138, 6),
        box("d", 96, 14, 20, 10, 3),
        box("c", 94, 200, 40, 14, 5),
        curve("M124 72C124 40 150 34 160 60C164 72 166 80 172 84", 4),
        row(6, lambda i: oval("d", 106, 48 + 24 * i, 5)),
        row(5, lambda i: oval("d", 124, 92 + 20 * i, 5)),
        box("d", 96, 100, 20, 5),
    )


def bassoon_b() -> str:
    return turned(
        -34,
        tube("M104 214L104 6", 16),
        tube("M124 214L124 78", 13, "b"),
        tube("M104 214Q114 228 124 214", 13),
        curve("M124 76C122 44 92 40 84 62L70 80", 4),
        path("d", "M66 78L74 84L60 98L54 92Z"),
        box("d", 94, 0, 20, 9, 3),
        box("d", 92, 66, 24, 6),
        box("d", 92, 140, 24, 6),
        row(8, lambda i: line(112, 30 + 22 * i, 118, 38 + 22 * i, 5)),
    )


def saxophone_a() -> str:
    return turned(
        12,
        path(
            "a",
            "M140 46L154 50C148 100 144 150 138 172C130 206 90 214 74 186C66 172 62 150 44 132"
            "L88 112C92 130 92 160 100 170C108 178 116 172 120 156C128 120 134 80 140 46Z",
        ),
        oval("c", 66, 122, 23, 9, -24),
        tube("M146 50C146 30 132 20 112 24", 6, "b"),
        path("c", "M114 18L94 26L98 34L116 30Z"),
        row(7, lambda i: oval("d", 142 - 2.4 * i, 66 + 16 * i, 6)),
        row(4, lambda i: line(150 - 3 * i, 74 + 22 * i, 158 - 3 * i, 80 + 22 * i, 4)),
        oval("d", 104, 176, 7),
    )


def saxophone_b() -> str:
    return turned(
        -14,
        path(
            "a",
            "M96 40L110 38C112 90 112 140 108 164C106 186 132 186 138 164C142 146 146 130 136 106"
            "L190 92C188 130 178 190 150 208C120 224 84 206 84 170C84 130 92 80 96 40Z",
        ),
        oval("c", 163, 99, 28, 10, -14),
        tube("M102 40C100 20 84 14 66 24", 6, "b"),
        path("c", "M68 18L48 30L54 38L72 30Z"),
        row(6, lambda i: oval("d", 102 - i, 60 + 18 * i, 6.5)),
        oval("d", 122, 190, 9),
    )
