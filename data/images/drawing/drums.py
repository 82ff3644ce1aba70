"""Drums: snare drum, congas, drum kit, timpani."""

from drawing.shapes import box, curve, dots, line, oval, path, row, sticks, turned


def drum(x: float, y: float, rx: float, h: float, role: str = "a") -> str:
    ry = rx * 0.3
    return path(
        role, f"M{x - rx} {y}L{x - rx} {y + h}A{rx} {ry} 0 0 0 {x + rx} {y + h}L{x + rx} {y}Z"
    ) + oval("d", x, y, rx, ry)


def snare_drum_a() -> str:
    return (
        drum(112, 104, 84, 58)
        + path("b", "M28 104A84 25 0 0 0 196 104L196 114A84 25 0 0 1 28 114Z")
        + path("b", "M28 152A84 25 0 0 0 196 152L196 164A84 25 0 0 1 28 164Z")
        + row(6, lambda i: box("d", 44 + 26 * i, 124, 6, 30, 2))
        + sticks(10, 40, 112, 100)
        + sticks(214, 36, 126, 96)
    )


def snare_drum_b() -> str:
    zig = (
        "M34 92"
        + "".join(f"L{48 + 18 * i} {150 if i % 2 == 0 else 104}" for i in range(8))
        + "L190 92"
    )
    legs = line(112, 170, 112, 204, 6) + line(112, 200, 60, 222, 6) + line(112, 200, 164, 222, 6)
    return (
        legs
        + drum(112, 88, 80, 66)
        + curve(zig, 4, "d0")
        + turned(0, sticks(30, 20, 130, 82), sticks(60, 10, 150, 80))
    )


def congas_a() -> str:
    def one(x: float, y: float, role: str) -> str:
        return (
            path(
                role,
                f"M{x - 32} {y}C{x - 50} {y + 60} {x - 34} {y + 120} {x - 24} {y + 150}"
                f"L{x + 24} {y + 150}C{x + 34} {y + 120} {x + 50} {y + 60} {x + 32} {y}Z",
            )
            + oval("d", x, y, 33, 11)
            + curve(f"M{x - 34} {y + 12}Q{x} {y + 26} {x + 34} {y + 12}", 4)
            + curve(f"M{x - 40} {y + 60}Q{x} {y + 74} {x + 40} {y + 60}", 3)
        )

    return one(68, 44, "a") + one(152, 56, "a")


def congas_b() -> str:
    tall = (
        path("a", "M70 60C46 110 64 170 80 204L144 204C160 170 178 110 154 60Z")
        + oval("d", 112, 60, 43, 15)
        + row(
            5,
            lambda i: curve(
                f"M{82 + 15 * i} 74C{70 + 21 * i} 120 {80 + 16 * i} 170 {90 + 11 * i} 202", 2
            ),
        )
        + path("b", "M66 72A46 16 0 0 0 158 72L157 84A46 16 0 0 1 64 84Z")
    )
    hand = path("b", "M128 6C150 -6 176 10 170 30L140 58C126 62 112 58 104 52L124 36Z")
    return tall + hand + box("c", 84, 202, 56, 12, 3)


def drum_kit_a() -> str:
    return "".join(
        [
            line(34, 74, 40, 210, 4),
            line(194, 66, 186, 210, 4),
            oval("d", 34, 70, 32, 8, -8),
            oval("d", 192, 62, 34, 8, 10),
            drum(82, 74, 26, 30),
            drum(140, 72, 26, 30),
            drum(40, 138, 28, 34, "b"),
            drum(186, 136, 30, 52, "b"),
            oval("a", 112, 158, 56),
            oval("d", 112, 158, 47),
            oval("b", 112, 158, 18),
            line(66, 196, 52, 218, 5),
            line(158, 196, 172, 218, 5),
        ]
    )


def drum_kit_b() -> str:
    man = (
        oval("b", 112, 36, 18)
        + path("c", "M84 60L140 60L146 110L78 110Z")
        + sticks(84, 70, 40, 70, 4)
        + sticks(140, 70, 190, 60, 4)
    )
    return man + "".join(
        [
            oval("d", 28, 84, 30, 7, 8),
            oval("d", 198, 78, 28, 7, -10),
            line(28, 86, 34, 214, 3),
            line(198, 80, 192, 214, 3),
            oval("a", 112, 164, 50),
            oval("d", 112, 164, 42),
            dots(8, 112, 164, 46, 0.785, 3),
            drum(76, 100, 24, 22),
            drum(148, 100, 24, 22),
            drum(48, 150, 24, 26, "b"),
            drum(180, 146, 26, 48, "b"),
        ]
    )


def kettle(x: float, y: float, rx: float) -> str:
    """A kettledrum with its head, of radius `rx`, at (x, y)."""
    return (
        path(
            "a",
            f"M{x - rx} {y}"
            f"C{x - rx} {y + rx * 1.2} {x - rx * 0.4} {y + rx * 1.5} {x} {y + rx * 1.5}"
            f"C{x + rx * 0.4} {y + rx * 1.5} {x + rx} {y + rx * 1.2} {x + rx} {y}Z",
        )
        + oval("d", x, y, rx, rx * 0.28)
        + curve(f"M{x - rx} {y + 8}Q{x} {y + rx * 0.56} {x + rx} {y + 8}", 5)
        + row(
            4,
            lambda i: line(
                round(x - rx * 0.8 + i * rx * 0.53, 1),
                y + 12,
                round(x - rx * 0.7 + i * rx * 0.47, 1),
                y + rx,
                3,
            ),
        )
    )


def timpani_a() -> str:
    return (
        line(112, 170, 70, 216, 7)
        + line(112, 170, 154, 216, 7)
        + line(112, 160, 112, 218, 7)
        + kettle(112, 76, 78)
        + sticks(20, 16, 92, 66, 10)
        + sticks(204, 14, 134, 66, 10)
    )


def timpani_b() -> str:
    return (
        line(60, 170, 40, 214, 5)
        + line(60, 170, 84, 214, 5)
        + line(164, 170, 142, 214, 5)
        + line(164, 170, 186, 214, 5)
        + kettle(60, 110, 54)
        + kettle(166, 104, 54)
        + sticks(70, 20, 66, 98, 9)
        + sticks(160, 16, 158, 92, 9)
    )
