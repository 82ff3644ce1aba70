"""What is not an instrument: applause, bird, helicopter, telephone."""

from drawing.shapes import box, curve, dots, line, moved, oval, path, row, turned


def hand(role: str) -> str:
    return path(
        role,
        "M92 210L88 160C74 140 60 120 58 104C58 94 70 92 76 102L90 124L82 60C80 46 96 44 98 58"
        "L104 106L104 44C104 30 120 30 120 44L122 106L130 52C132 38 148 42 146 56L140 112L152 80"
        "C158 68 172 74 168 88L156 134C152 156 146 166 142 178L142 210Z",
    )


def applause_a() -> str:
    return (
        turned(-16, moved("translate(-30 14) scale(.95)", hand("b")))
        + turned(14, moved("translate(30 10) scale(.95)", hand("a")))
        + line(60, 26, 48, 4, 5)
        + line(112, 20, 112, -4, 5)
        + line(168, 26, 182, 4, 5)
    )


def applause_b() -> str:
    def person(x: float, y: float, role: str) -> str:
        return (
            oval("d", x, y, 15)
            + path(
                role, f"M{x - 24} {y + 66}C{x - 26} {y + 26} {x + 26} {y + 26} {x + 24} {y + 66}Z"
            )
            + line(x - 18, y + 40, x - 3, y - 22, 8, "kd")
            + line(x + 18, y + 40, x + 3, y - 22, 8, "kd")
        )

    return (
        row(3, lambda i: person(40 + 72 * i, 66, "b"))
        + row(2, lambda i: person(76 + 72 * i, 108, "a"))
        + row(3, lambda i: person(40 + 72 * i, 150, "b"))
    )


def bird_a() -> str:
    return "".join(
        [
            path(
                "a",
                "M40 96C40 60 84 48 104 72C128 84 160 96 212 92C196 116 176 126 168 132"
                "C150 176 96 188 68 156C50 138 44 120 40 96Z",
            ),
            path("b", "M96 100C124 96 152 104 170 124C150 150 112 150 96 100Z"),
            path("d", "M42 92L14 100L42 108Z"),
            oval("d", 68, 84, 8),
            oval("c", 68, 84, 4),
            line(96, 172, 92, 204, 4),
            line(118, 170, 118, 204, 4),
            line(78, 206, 104, 206, 4),
            line(106, 206, 130, 206, 4),
        ]
    )


def bird_b() -> str:
    notes = (
        oval("c", 34, 60, 8, 6)
        + line(41, 60, 41, 26, 4)
        + oval("c", 62, 34, 7, 5)
        + line(68, 34, 68, 6, 4)
    )
    return (
        notes
        + path(
            "a",
            "M88 92C84 62 124 54 136 82C166 92 180 130 162 160C150 178 126 182 112 176"
            "C92 166 86 130 92 112Z",
        )
        + path("b", "M128 104C158 110 176 150 214 178C184 184 140 172 128 104Z")
        + path("d", "M92 82L66 74L88 92Z")
        + path("d", "M90 94L68 104L92 100Z")
        + oval("c", 110, 82, 5)
        + path("d", "M98 124C100 150 112 168 124 172C130 150 118 130 98 124Z")
        + line(20, 196, 206, 184, 8)
        + line(120, 176, 118, 190, 4)
        + line(136, 176, 136, 188, 4)
    )


def helicopter_a() -> str:
    return "".join(
        [
            line(16, 48, 196, 40, 7),
            box("c", 98, 44, 10, 30),
            path(
                "a",
                "M40 118C44 84 84 70 120 72C140 74 148 88 152 98L206 92L206 104L150 124"
                "C144 150 120 160 92 160C60 160 40 144 40 118Z",
            ),
            path("d", "M48 116C52 92 74 84 94 82L94 122L48 122Z"),
            box("d", 104, 88, 22, 30, 4),
            oval("b", 208, 96, 5, 24),
            line(64, 160, 58, 186, 5),
            line(118, 158, 124, 186, 5),
            line(30, 188, 152, 188, 7),
        ]
    )


def helicopter_b() -> str:
    return "".join(
        [
            turned(-10, line(4, 50, 220, 50, 6), y=50),
            line(60, 70, 168, 34, 4),
            box("c", 107, 52, 10, 24),
            oval("a", 112, 122, 58, 50),
            path("d", "M62 118C66 88 158 88 162 118C150 132 74 132 62 118Z"),
            line(112, 94, 112, 130, 4),
            oval("b", 112, 156, 14, 8),
            line(80, 164, 62, 200, 6),
            line(144, 164, 162, 200, 6),
            line(40, 204, 86, 204, 8),
            line(138, 204, 184, 204, 8),
        ]
    )


def telephone_a() -> str:
    return "".join(
        [
            path("a", "M62 92L162 92C170 120 190 150 194 190L30 190C34 150 54 120 62 92Z"),
            oval("d", 112, 142, 36),
            dots(10, 112, 142, 25, 0.6, 5, start=0.3),
            oval("b", 112, 142, 11),
            path(
                "b",
                "M20 82C20 40 204 40 204 82L204 98C190 106 168 104 164 92L160 76"
                "C140 68 84 68 64 76L60 92C56 104 34 106 20 98Z",
            ),
            box("c", 24, 188, 176, 10, 4),
        ]
    )


def telephone_b() -> str:
    handset = path(
        "a",
        "M44 40C60 24 78 34 84 56C88 72 70 76 76 90C86 114 106 134 130 146C142 152 148 134 164 138"
        "C186 144 196 162 182 178C160 204 110 190 74 154C36 116 22 64 44 40Z",
    )
    return (
        handset
        + curve("M60 160C40 170 60 184 44 190C28 196 46 210 28 214", 5)
        + curve("M140 60Q164 76 170 104", 6)
        + curve("M150 30Q196 54 202 104", 6)
    )
