"""Makes the pictures of this folder: `pip install resvg_py`, then `python draw.py`.

Two hands drew. Where a class has SVG files, they are the first hand's: 0 to 7, eight constructions
each; every one becomes the PNG of its name. The second hand is the code below: two constructions a
class (another view, or another kind of the instrument), each in several renderings: flat colours,
dark outlines, a silhouette, shading, bold strokes. Shapes carry a role, not a colour: a body, b
second part, c dark detail, d light detail, k stroke; a rendering gives the roles their colours. Its
pictures are 8 to 15, or 0 to 7 where there is no SVG. Files 6 and 7 are held out for test, all
others are for training.
"""

import math
from pathlib import Path

PALETTES = {
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


def path(role, d):
    return f'<path class="{role}" d="{d}"/>'


def oval(role, x, y, rx, ry=None, turn=0):
    ry = rx if ry is None else ry
    return (
        f'<ellipse class="{role}" cx="{x}" cy="{y}" rx="{rx}" ry="{ry}" '
        f'transform="rotate({turn} {x} {y})"/>'
    )


def box(role, x, y, w, h, r=0):
    return f'<rect class="{role}" x="{x}" y="{y}" width="{w}" height="{h}" rx="{r}"/>'


def line(x1, y1, x2, y2, width=3, role="k"):
    return f'<path class="{role}" style="stroke-width:{width}" d="M{x1} {y1}L{x2} {y2}"/>'


def curve(d, width=3, role="k"):
    return f'<path class="{role}" style="stroke-width:{width}" d="{d}"/>'


def tube(d, width, role="a"):
    """A bent pipe: a wide dark line under a narrower coloured one."""
    return (
        f'<path class="t c{role}" style="stroke-width:{width + 4}" d="{d}"/>'
        f'<path class="t s{role}" style="stroke-width:{width}" d="{d}"/>'
    )


def turned(angle, *parts, x=112, y=112):
    return f'<g transform="rotate({angle} {x} {y})">{"".join(parts)}</g>'


def row(count, draw):
    return "".join(draw(i) for i in range(count))


def fiddle(big):
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
            f'<g transform="translate({112 * (1 - s)} {208 * (1 - s) - (0 if big else 6)}) '
            f'scale({s})">',
            path("a", body),
            box("c", 106, 60, 12, 84, 3),
            path("c", "M106 168L118 168L116 204L108 204Z"),
            box("d", 98, 152, 28, 5, 2),
            curve("M92 136C84 142 98 156 90 164", 4),
            curve("M132 136C140 142 126 156 134 164", 4),
            "</g>",
            row(4, lambda i: line(108.5 + 2.4 * i, 30, 107 + 3.2 * i, 190, 0.9, "d0")),
            line(112, 206, 112, 222, 5) if big else "",
        ]
    )


def bow(x1, y1, x2, y2):
    return line(x1, y1, x2, y2, 5) + line(x1 + 7, y1 + 3, x2 + 7, y2 + 3, 2)


def violin_a():
    return turned(25, fiddle(False)) + bow(40, 200, 190, 60)


def violin_b():
    return turned(-62, fiddle(False)) + bow(150, 30, 80, 214)


def cello_a():
    return fiddle(True) + bow(20, 150, 210, 128)


def cello_b():
    player = oval("d", 60, 44, 22) + path(
        "b", "M30 80Q60 60 92 82L100 150L120 190L110 214L60 200L22 214Z"
    )
    return (
        player
        + turned(10, f'<g transform="translate(30 12) scale(.92)">{fiddle(True)}</g>')
        + bow(36, 166, 208, 146)
    )


def guitar_body(head):
    body = (
        "M112 100C92 92 78 100 80 116C81 128 88 130 84 140C78 150 66 154 66 176"
        "C66 202 88 214 112 214"
        "C136 214 158 202 158 176C158 154 146 150 140 140C136 130 143 128 144 116"
        "C146 100 132 92 112 100Z"
    )
    return "".join(
        [
            box("c", 105, 22, 14, 100),
            head,
            path("a", body),
            oval("c", 112, 142, 17),
            box("c", 94, 184, 36, 7, 2),
            row(9, lambda i: line(105, 34 + 9 * i, 119, 34 + 9 * i, 1.2, "d0")),
            row(6, lambda i: line(106.5 + 2.2 * i, 20, 104 + 3.2 * i, 186, 0.8, "d0")),
        ]
    )


def pegs(n):
    return box("b", 101, 2, 22, 28, 3) + row(
        n, lambda i: oval("d", 97, 7 + 8 * i, 4, 2.5) + oval("d", 127, 7 + 8 * i, 4, 2.5)
    )


def acoustic_guitar_a():
    return turned(30, guitar_body(pegs(3)))


def acoustic_guitar_b():
    cut = path("c", "M146 94L160 96L158 128L146 122Z")
    return turned(-75, guitar_body(pegs(3)), cut) + oval("d", 150, 120, 10, 16, 30)


def solid_guitar(strings, long):
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


def electric_guitar_a():
    return turned(35, solid_guitar(6, False))


def electric_guitar_b():
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


def electric_bass_a():
    return turned(42, f'<g transform="translate(14 26) scale(.87)">{solid_guitar(4, True)}</g>')


def electric_bass_b():
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


def banjo(tilt):
    return turned(
        tilt,
        box("b", 106, 8, 12, 130),
        box("c", 101, 2, 22, 24, 4),
        row(2, lambda i: oval("d", 96, 8 + 10 * i, 5, 3) + oval("d", 128, 8 + 10 * i, 5, 3)),
        oval("d", 100, 78, 6, 3),
        oval("b", 112, 162, 54),
        oval("d", 112, 162, 46),
        row(
            16,
            lambda i: oval(
                "c",
                round(112 + 50 * math.cos(i * math.pi / 8), 1),
                round(162 + 50 * math.sin(i * math.pi / 8), 1),
                3,
            ),
        ),
        box("a", 98, 176, 28, 6, 2),
        row(14, lambda i: line(106, 30 + 6 * i, 118, 30 + 6 * i, 1, "d0")),
        row(5, lambda i: line(107.5 + 2.2 * i, 24, 104 + 4 * i, 208, 0.9)),
    )


def banjo_a():
    return banjo(28)


def banjo_b():
    return banjo(-60) + oval("c", 112, 112, 3)


def harp_frame(extra):
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
            extra,
        ]
    )


def harp_a():
    return harp_frame("")


def harp_b():
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


def keys(x, y, w, h, n):
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


def piano_a():
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
            keys(34, 104, 158, 20, 21),
            path("b", "M38 126L46 126L44 206L38 206Z"),
            path("b", "M180 126L188 126L188 206L182 206Z"),
            path("b", "M108 126L116 126L114 196L110 196Z"),
            oval("d", 112, 200, 6, 3),
        ]
    )


def piano_b():
    return "".join(
        [
            box("a", 34, 26, 156, 178, 6),
            box("b", 42, 36, 140, 54, 3),
            path("d", "M86 50L138 50L140 82L84 82Z"),
            box("c", 26, 108, 172, 34, 4),
            keys(32, 112, 160, 22, 19),
            box("b", 42, 150, 140, 46, 3),
            box("c", 30, 200, 26, 10),
            box("c", 168, 200, 26, 10),
            oval("d", 104, 194, 4, 7),
            oval("d", 120, 194, 4, 7),
        ]
    )


def organ_a():
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
        + keys(44, 172, 136, 12, 22)
        + keys(44, 188, 136, 12, 22)
        + box("b", 20, 206, 184, 12, 3)
    )


def organ_b():
    return "".join(
        [
            box("a", 26, 66, 172, 84, 8),
            box("b", 20, 58, 184, 14, 5),
            keys(40, 92, 144, 20, 20),
            keys(40, 120, 144, 20, 20),
            row(9, lambda i: box("d", 46 + 15 * i, 78, 9, 9, 2)),
            box("b", 34, 150, 14, 62),
            box("b", 176, 150, 14, 62),
            box("c", 60, 196, 104, 14, 4),
            row(8, lambda i: box("d", 66 + 12 * i, 198, 6, 20, 2)),
        ]
    )


def accordion_a():
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
            turned(90, keys(-22, -54, 116, 30, 11), x=46, y=112)
            if False
            else row(11, lambda i: box("d", 24, 56 + 10.6 * i, 30, 9.6, 1)),
            row(10, lambda i: "" if i % 7 in (2, 6) else box("c", 24, 62 + 10.6 * i, 18, 6)),
            row(15, lambda i: oval("c", 166 + 12 * (i % 3), 64 + 20 * (i // 3), 4)),
        ]
    )


def accordion_b():
    fan = row(
        9,
        lambda i: (
            f'<g transform="rotate({-32 + 8 * i} 112 250)">'
            f"{box('d' if i % 2 else 'b', 100, 76, 24, 96)}</g>"
        ),
    )
    return (
        fan
        + turned(
            -40,
            box("a", 92, 66, 36, 116, 8),
            row(5, lambda i: oval("d", 110, 84 + 20 * i, 6)),
            x=112,
            y=250,
        )
        + turned(
            40,
            box("a", 96, 66, 36, 116, 8),
            row(5, lambda i: oval("d", 114, 84 + 20 * i, 6)),
            x=112,
            y=250,
        )
    )


def bagpipe_a():
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


def bagpipe_b():
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


def harmonica_a():
    return turned(
        -12,
        box("a", 16, 84, 192, 22, 8),
        box("b", 20, 104, 184, 20),
        box("a", 16, 122, 192, 22, 8),
        row(10, lambda i: box("d", 28 + 17 * i, 107, 12, 14, 1)),
        row(3, lambda i: line(40, 90 + 5 * i, 184, 90 + 5 * i, 1.2)),
    )


def harmonica_b():
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


def woodwind(tilt, bell, keys_on=7, role="a"):
    return turned(
        tilt,
        box(role, 104, 16, 16, 170, 6),
        bell,
        row(keys_on, lambda i: oval("d", 112, 52 + 18 * i, 5)),
        row(keys_on - 2, lambda i: line(121, 58 + 22 * i, 128, 66 + 22 * i, 4)),
    )


def clarinet_a():
    return woodwind(
        38,
        path("a", "M104 182L120 182L136 218L88 218Z")
        + path("c", "M106 18L118 18L115 -12L110 -12Z")
        + box("d", 102, 34, 20, 5)
        + box("d", 102, 112, 20, 5),
    )


def clarinet_b():
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


def flute_a():
    return turned(
        -28,
        box("a", 2, 104, 222, 13, 5),
        box("b", 30, 101, 22, 19, 5),
        oval("c", 42, 106, 7, 4),
        row(9, lambda i: oval("d", 92 + 13 * i, 108, 5.5)),
        row(6, lambda i: line(98 + 18 * i, 100, 108 + 18 * i, 98, 4)),
        box("b", 76, 101, 6, 19),
    )


def flute_b():
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


def bassoon_a():
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


def bassoon_b():
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


def sax(bell, body, neck):
    return tube(body, 17) + bell + neck + row(6, lambda i: oval("d", 0, 0, 0))


def saxophone_a():
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


def saxophone_b():
    return turned(
        -14,
        path("a", "M106 30L118 30L138 196C140 206 150 216 160 218L64 218C80 210 88 200 90 190Z")
        if False
        else path(
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


def bell(x, y, w, h, length, role="a"):
    """A flared bell that opens to the right at (x + length, y)."""
    return path(
        role,
        f"M{x} {y - w}"
        f"C{x + length * 0.6} {y - w} {x + length * 0.85} {y - h * 0.6} {x + length} {y - h}"
        f"L{x + length} {y + h}"
        f"C{x + length * 0.85} {y + h * 0.6} {x + length * 0.6} {y + w} {x} {y + w}Z",
    )


def trumpet_a():
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


def trumpet_b():
    horn = bell(104, 112, 6, 44, 104) + oval("c", 208, 112, 9, 44) + tube("M30 112L110 112", 9)
    loop = tube("M110 112C150 112 150 150 112 150L80 150C44 150 44 112 80 112", 8)
    return turned(24, loop, horn, path("b", "M10 98L32 108L32 116L10 126Z")) + row(
        3, lambda i: turned(24, box("d", 80 + 16 * i, 82, 10, 34, 4))
    )


def trombone_a():
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


def trombone_b():
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


def tuba_a():
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


def tuba_b():
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


def french_horn_a():
    return "".join(
        [
            tube("M92 110C92 60 160 50 168 104C176 164 92 178 82 124C74 80 110 52 140 60", 9),
            '<circle class="t ca" style="stroke-width:15" cx="122" cy="112" r="46"/>'
            '<circle class="t sa" style="stroke-width:10" cx="122" cy="112" r="46"/>',
            '<circle class="t ca" style="stroke-width:11" cx="122" cy="112" r="27"/>'
            '<circle class="t sb" style="stroke-width:7" cx="122" cy="112" r="27"/>',
            path("a", "M132 152C116 160 104 176 70 218L14 160C56 142 76 134 90 122Z"),
            oval("c", 42, 189, 41, 14, 46),
            row(3, lambda i: box("d", 106 + 14 * i, 100, 10, 26, 3)),
            tube("M140 66C160 40 180 38 204 24", 6),
            path("c", "M198 18L214 14L210 30Z"),
        ]
    )


def french_horn_b():
    return "".join(
        [
            '<circle class="t ca" style="stroke-width:18" cx="112" cy="118" r="66"/>'
            '<circle class="t sa" style="stroke-width:13" cx="112" cy="118" r="66"/>',
            '<circle class="t ca" style="stroke-width:13" cx="106" cy="112" r="42"/>'
            '<circle class="t sb" style="stroke-width:9" cx="106" cy="112" r="42"/>',
            oval("a", 150, 152, 54, 48),
            oval("b", 152, 154, 42, 37),
            oval("c", 156, 158, 22, 19),
            row(3, lambda i: oval("d", 78 + 17 * i, 96, 7)),
            tube("M60 76C46 50 40 40 22 26", 6),
            oval("c", 20, 22, 7),
        ]
    )


def drum(x, y, rx, h, role="a", head="d"):
    ry = rx * 0.3
    return path(
        role, f"M{x - rx} {y}L{x - rx} {y + h}A{rx} {ry} 0 0 0 {x + rx} {y + h}L{x + rx} {y}Z"
    ) + oval(head, x, y, rx, ry)


def sticks(x1, y1, x2, y2, tip=5):
    return line(x1, y1, x2, y2, 5) + oval("b", x2, y2, tip)


def snare_drum_a():
    return (
        drum(112, 104, 84, 58)
        + path("b", "M28 104A84 25 0 0 0 196 104L196 114A84 25 0 0 1 28 114Z")
        + path("b", "M28 152A84 25 0 0 0 196 152L196 164A84 25 0 0 1 28 164Z")
        + row(6, lambda i: box("d", 44 + 26 * i, 124, 6, 30, 2))
        + sticks(10, 40, 112, 100)
        + sticks(214, 36, 126, 96)
    )


def snare_drum_b():
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


def congas_a():
    def one(x, y, role):
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


def congas_b():
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


def cowbell_a():
    return turned(
        -18,
        path("a", "M82 52L142 52L182 178L42 178Z"),
        path("b", "M82 52L142 52L146 66L78 66Z"),
        oval("c", 112, 178, 70, 14),
        curve("M92 52C92 22 132 22 132 52", 8),
        oval("d", 112, 184, 12, 9),
    )


def cowbell_b():
    return turned(
        40,
        path("a", "M60 86L150 62L150 162L60 138Z"),
        oval("c", 150, 112, 16, 50),
        box("b", 40, 100, 22, 24, 4),
        line(60, 112, 20, 112, 8),
    ) + turned(-30, sticks(190, 214, 112, 112, 3))


def cymbal_a():
    return (
        oval("a", 112, 78, 100, 22, -8)
        + oval("b", 112, 74, 60, 12, -8)
        + path("d", "M92 72C98 54 126 52 132 66Z")
        + line(112, 80, 114, 206, 6)
        + line(114, 190, 64, 220, 6)
        + line(114, 190, 164, 220, 6)
    )


def cymbal_b():
    def plate(x, t):
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
        + row(5, lambda i: line(112, 70 - 0 * i, 92 + 10 * i, 22, 3))
    )


def drum_kit_a():
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


def drum_kit_b():
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
            row(
                8,
                lambda i: oval(
                    "c",
                    round(112 + 46 * math.cos(i * 0.785), 1),
                    round(164 + 46 * math.sin(i * 0.785), 1),
                    3,
                ),
            ),
            drum(76, 100, 24, 22),
            drum(148, 100, 24, 22),
            drum(48, 150, 24, 26, "b"),
            drum(180, 146, 26, 48, "b"),
        ]
    )


def maraca(role="a"):
    return (
        oval(role, 112, 66, 40, 50)
        + path("b", "M104 112L120 112L118 206L106 206Z")
        + curve("M76 52Q112 66 148 52", 6, "d0")
        + curve("M74 78Q112 94 150 78", 6, "d0")
        + row(4, lambda i: oval("d", 90 + 15 * i, 66, 4))
    )


def maracas_a():
    return turned(-26, f'<g transform="translate(-34 8) scale(.95)">{maraca()}</g>') + turned(
        28, f'<g transform="translate(44 8) scale(.95)">{maraca()}</g>'
    )


def maracas_b():
    return (
        turned(55, maraca())
        + turned(0, curve("M150 20Q190 40 196 80", 4), curve("M168 10Q208 30 214 74", 4))
        + oval("d", 60, 150, 16, 12, 30)
    )


def jingles(n, r, cx=112, cy=112):
    return row(
        n,
        lambda i: turned(
            360 / n * i + 20,
            box("c", cx - 15, cy - r - 10, 30, 20, 4),
            oval("d", cx, cy - r - 5, 12, 4),
            oval("d", cx, cy - r + 5, 12, 4),
            x=cx,
            y=cy,
        ),
    )


def tambourine_a():
    return oval("a", 112, 112, 98) + oval("d", 112, 112, 74) + jingles(7, 86)


def tambourine_b():
    ring = (
        '<circle class="t ca" style="stroke-width:26" cx="112" cy="104" r="78"/>'
        '<circle class="t sa" style="stroke-width:21" cx="112" cy="104" r="78"/>'
    )
    return (
        f'<g transform="translate(0 36) scale(1 .72)">{ring}{jingles(8, 78, 112, 104)}</g>'
        + path("b", "M30 150C16 170 30 196 50 190L72 168L52 146Z")
    )


def kettle(x, y, rx):
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


def timpani_a():
    return (
        line(112, 170, 70, 216, 7)
        + line(112, 170, 154, 216, 7)
        + line(112, 160, 112, 218, 7)
        + kettle(112, 76, 78)
        + sticks(20, 16, 92, 66, 10)
        + sticks(204, 14, 134, 66, 10)
    )


def timpani_b():
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


def triangle_shape(w):
    return (
        f'<path class="t ca" style="stroke-width:{w + 5}" d="M150 186L36 186L112 54L172 158"/>'
        f'<path class="t sa" style="stroke-width:{w}" d="M150 186L36 186L112 54L172 158"/>'
    )


def triangle_a():
    return triangle_shape(11) + curve("M112 52C104 30 110 14 118 4", 3) + line(206, 92, 128, 168, 7)


def triangle_b():
    return (
        turned(-8, triangle_shape(15))
        + path("d", "M92 0L132 0L128 34C124 44 100 44 96 34Z")
        + curve("M112 34L112 60", 3)
        + turned(60, line(112, 20, 112, 120, 8))
    )


def wood_block_a():
    return (
        path("a", "M26 108L150 80L204 104L204 152L80 184L26 158Z")
        + path("d", "M26 108L150 80L204 104L80 134Z")
        + path("c", "M86 150L196 122L196 132L86 161Z")
        + line(80, 134, 80, 184, 3)
        + sticks(196, 20, 112, 96, 13)
    )


def wood_block_b():
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


def bars(n, slope):
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


def xylophone_a():
    return (
        path("c", "M10 88L214 104L214 116L10 100Z")
        + path("c", "M10 132L214 118L214 130L10 146Z")
        + bars(10, 4)
        + sticks(200, 14, 132, 92, 11)
        + sticks(40, 206, 92, 130, 11)
    )


def xylophone_b():
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


def hand(role="a"):
    return path(
        role,
        "M92 210L88 160C74 140 60 120 58 104C58 94 70 92 76 102L90 124L82 60C80 46 96 44 98 58"
        "L104 106L104 44C104 30 120 30 120 44L122 106L130 52C132 38 148 42 146 56L140 112L152 80"
        "C158 68 172 74 168 88L156 134C152 156 146 166 142 178L142 210Z",
    )


def applause_a():
    return (
        turned(-16, f'<g transform="translate(-30 14) scale(.95)">{hand("b")}</g>')
        + turned(14, f'<g transform="translate(30 10) scale(.95)">{hand()}</g>')
        + line(60, 26, 48, 4, 5)
        + line(112, 20, 112, -4, 5)
        + line(168, 26, 182, 4, 5)
    )


def applause_b():
    def person(x, y, role):
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


def bird_a():
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


def bird_b():
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


def helicopter_a():
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


def helicopter_b():
    return "".join(
        [
            turned(-10, line(4, 50, 220, 50, 6), x=112, y=50),
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


def telephone_a():
    return "".join(
        [
            path("a", "M62 92L162 92C170 120 190 150 194 190L30 190C34 150 54 120 62 92Z"),
            oval("d", 112, 142, 36),
            row(
                10,
                lambda i: oval(
                    "c",
                    round(112 + 25 * math.cos(i * 0.6 + 0.3), 1),
                    round(142 + 25 * math.sin(i * 0.6 + 0.3), 1),
                    5,
                ),
            ),
            oval("b", 112, 142, 11),
            path(
                "b",
                "M20 82C20 40 204 40 204 82L204 98C190 106 168 104 164 92L160 76"
                "C140 68 84 68 64 76L60 92C56 104 34 106 20 98Z",
            ),
            box("c", 24, 188, 176, 10, 4),
        ]
    )


def telephone_b():
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


LOOKS = {
    # role colours a, b, c, d; stroke colour and width; shading
    "flat": lambda p: (*p, p[2], 1.5, False),
    "outline": lambda p: ("#ffffff", "#f4f4f4", "#444444", "#ffffff", "#111111", 3.5, False),
    "silhouette": lambda p: (p[2], p[2], p[2], p[2], p[2], 2, False),
    "shaded": lambda p: (*p, p[2], 0.6, True),
    "bold": lambda p: (p[0], p[1], p[2], p[3], "#151515", 5, False),
    "soft": lambda p: (p[3], p[0], p[1], "#ffffff", p[1], 2, True),
}


def picture(shapes, palette, look, turn=0, mirror=False, stretch=1.0):
    a, b, c, d, k, width, shaded = LOOKS[look](PALETTES[palette])
    fills = {"a": a, "b": b, "c": c, "d": d}
    defs = (
        "".join(
            f'<linearGradient id="g{r}" x1="0" y1="0" x2="1" y2="1">'
            f'<stop offset="0" stop-color="#fff"/><stop offset=".35" stop-color="{f}"/>'
            f'<stop offset="1" stop-color="{c}"/></linearGradient>'
            for r, f in fills.items()
        )
        if shaded
        else ""
    )
    style = "".join(
        f".{r}{{fill:{f'url(#g{r})' if shaded else f};stroke:{k};stroke-width:{width};"
        f"stroke-linejoin:round}}"
        f".s{r}{{stroke:{f}}}.c{r}{{stroke:{k}}}"
        for r, f in fills.items()
    )
    thin = k if look == "outline" else (a if look == "silhouette" else d)
    style += (
        f".k{{fill:none;stroke:{k};stroke-linecap:round}}"
        f".kd{{fill:none;stroke:{b};stroke-linecap:round}}.d0{{fill:none;stroke:{thin}}}"
        f".t{{fill:none;stroke-linecap:round;stroke-linejoin:round}}"
    )
    if look == "silhouette":
        # Gaps between the parts keep a silhouette readable.
        style += "".join(f".{r}{{stroke:#fff;stroke-width:2.2}}" for r in "cd")
    flip = "translate(224 0) scale(-1 1)" if mirror else ""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 224 224" width="224" height="224">'
        f"<defs>{defs}<style>{style}</style></defs>"
        f'<g transform="translate(112 112) rotate({turn}) scale({0.88 * stretch:.3f} '
        f'{0.88 / stretch:.3f}) translate(-112 -112) {flip}">{shapes}</g></svg>'
    )


COLOURS = {
    "accordion": ("red", "blue"),
    "acoustic_guitar": ("wood", "dark wood"),
    "electric_guitar": ("red", "blue"),
    "electric_bass": ("green", "black"),
    "bagpipe": ("red", "green"),
    "banjo": ("wood", "dark wood"),
    "bassoon": ("dark wood", "red"),
    "cello": ("wood", "dark wood"),
    "clarinet": ("black", "black"),
    "congas": ("wood", "red"),
    "cowbell": ("silver", "brass"),
    "cymbal": ("brass", "brass"),
    "drum_kit": ("red", "blue"),
    "flute": ("silver", "silver"),
    "french_horn": ("brass", "brass"),
    "harmonica": ("silver", "red"),
    "harp": ("brass", "wood"),
    "maracas": ("red", "green"),
    "organ": ("wood", "dark wood"),
    "piano": ("black", "dark wood"),
    "saxophone": ("brass", "brass"),
    "snare_drum": ("blue", "red"),
    "tambourine": ("wood", "red"),
    "timpani": ("brass", "wood"),
    "triangle": ("silver", "silver"),
    "trombone": ("brass", "brass"),
    "trumpet": ("brass", "brass"),
    "tuba": ("brass", "silver"),
    "violin": ("wood", "dark wood"),
    "wood_block": ("wood", "red"),
    "xylophone": ("wood", "violet"),
    "applause": ("skin", "skin"),
    "bird": ("blue", "red"),
    "helicopter": ("green", "blue"),
    "telephone": ("black", "red"),
}

# (construction, palette, look, turn, mirrored, stretch)
RENDERINGS = (
    ("a", 0, "flat", 0, False, 1.0),
    ("a", 1, "outline", 15, True, 1.0),
    ("a", 1, "shaded", -12, False, 1.06),
    ("b", 1, "flat", 0, False, 1.0),
    ("b", 0, "silhouette", -18, True, 1.0),
    ("b", 0, "bold", 10, False, 0.94),
    ("a", 1, "bold", -32, True, 0.92),
    ("b", 0, "soft", 24, True, 1.1),
)


def main():
    import resvg_py

    for name, palettes in COLOURS.items():
        folder = Path(__file__).parent / name
        folder.mkdir(exist_ok=True)
        sources = sorted(folder.glob("*.svg"))
        for source in sources:
            source.with_suffix(".png").write_bytes(
                bytes(resvg_py.svg_to_bytes(svg_path=str(source)))
            )
        for number, (which, palette, look, turn, mirror, stretch) in enumerate(
            RENDERINGS, start=8 if sources else 0
        ):
            svg = picture(
                globals()[f"{name}_{which}"](), palettes[palette], look, turn, mirror, stretch
            )
            (folder / f"{number}.png").write_bytes(bytes(resvg_py.svg_to_bytes(svg_string=svg)))


if __name__ == "__main__":
    main()
