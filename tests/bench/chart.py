# SPDX-License-Identifier: GPL-2.0-or-later
"""A chart of the benchmark as SVG: a group of bars a workload, on a logarithmic scale."""

import html
import math

BASES, OURS = ("none", "glibc"), ("allocpath", "refalloc")
ROW, LABEL, WIDTH, GAP = 16, 190, 460, 26


def _bar(at, name, row, scale):
    length = scale(row["ratio"])
    text = f"{row['ratio']:.2f} × ({row['median']:.4g} {row['unit']})"
    color = "#c33" if name in BASES else "#27c" if name.startswith(OURS) else "#999"
    return (f'<text x="{LABEL - 6}" y="{at + 11}" text-anchor="end">{html.escape(name)}</text>'
            f'<rect x="{LABEL}" y="{at + 2}" width="{length:.1f}" height="{ROW - 5}" fill="{color}"/>'
            f'<text x="{LABEL + length + 5:.1f}" y="{at + 11}">{text}</text>')


def draw(results, title):
    largest = max((row["ratio"] for rows in results.values() for row in rows.values()), default=1)
    decades = max(1.0, math.log10(max(largest, 1)))

    def scale(ratio):
        return 4 + WIDTH * max(0, math.log10(max(ratio, 0.5)) + 0.31) / (decades + 0.31)

    parts, at = [], 40
    for workload, rows in results.items():
        parts.append(f'<text x="8" y="{at + 11}" font-weight="bold">{html.escape(workload)}</text>')
        at += ROW + 2
        for name, row in rows.items():
            parts.append(_bar(at, name, row, scale))
            at += ROW
        at += GAP - ROW
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LABEL + WIDTH + 220}" height="{at}" '
            f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" '
            f'fill="#fff"/><text x="8" y="20" font-size="13">{html.escape(title)}</text>'
            + "".join(parts) + "</svg>\n")
