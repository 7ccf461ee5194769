# SPDX-License-Identifier: Apache-2.0
"""A bar chart as SVG, by hand: one group of bars for each device, whiskers from the lowest to the highest."""
import html

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 860, 380, 70, 70, 50
COLOURS = ("#1b6ca8", "#63a7d4", "#d98e04", "#8a8a8a", "#4f9d69", "#a84f6c")


def ceiling(value):
    """The least of 1, 2, 5 times a power of ten that is not below `value`."""
    step = 1.0
    while step < value:
        for factor in (1, 2, 5, 10):
            if step * factor >= value:
                return step * factor
        step *= 10
    return step


def chart(title, groups, unit):
    """groups: [(name, [(bar's name, low, median, high)])], all values at least 0. Returns the text of the file."""
    names = list(dict.fromkeys(bar[0] for _, bars in groups for bar in bars))
    highest = ceiling(max([bar[3] for _, bars in groups for bar in bars], default=1) or 1)

    def y(value):
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / highest)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           f'font-size="12">', f'<title>{html.escape(title)}</title>',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="20" font-size="15">{html.escape(title)}</text>']
    for line in range(5):
        value = highest * line / 4
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#dddddd"/>'
                   f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
    out.append(f'<text x="12" y="{TOP - 12}">{html.escape(unit)}</text>')
    space = (WIDTH - LEFT - 20) / max(1, len(groups))
    for at, (group, bars) in enumerate(groups):
        left, wide = LEFT + at * space + space * 0.1, space * 0.8 / max(1, len(names))
        for name, low, median, high in bars:
            x = left + names.index(name) * wide
            out.append(f'<rect x="{x:.1f}" y="{y(median):.1f}" width="{wide * 0.9:.1f}" '
                       f'height="{HEIGHT - BOTTOM - y(median):.1f}" fill="{COLOURS[names.index(name) % len(COLOURS)]}">'
                       f'<title>{html.escape(f"{group}, {name}: {median:.3g} ({low:.3g} to {high:.3g})")}</title></rect>'
                       f'<line x1="{x + wide * 0.45:.1f}" x2="{x + wide * 0.45:.1f}" y1="{y(low):.1f}" y2="{y(high):.1f}" '
                       f'stroke="black"/>')
        out.append(f'<text x="{left + space * 0.4:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
                   f'{html.escape(group)}</text>')
    for at, name in enumerate(names):
        x = LEFT + at * (WIDTH - LEFT) / max(1, len(names))
        out.append(f'<rect x="{x:.1f}" y="{HEIGHT - 26}" width="12" height="12" fill="{COLOURS[at % len(COLOURS)]}"/>'
                   f'<text x="{x + 17:.1f}" y="{HEIGHT - 16}">{html.escape(name)}</text>')
    return "\n".join([*out, "</svg>", ""])
