"""The chart of numbers: what the model said against the truth."""

from collections.abc import Sequence

from markupsafe import Markup

from graft.evaluation.report.charts import Frame, ticks


def scatter(pairs: Sequence[tuple[float, float]], half_width: float) -> Markup:
    """Return answers by truth, (truth, answer) pairs, with the line of equality and the range around it."""
    values = [one for pair in pairs for one in pair]
    low, high = min(values), max(values)
    pad = 0.05 * (high - low) or 0.5
    frame = Frame((low - pad, high + pad), (low - pad, high + pad))
    marks = [(one, f"{one:g}") for one in ticks(low, high, 4)]
    frame.axes(marks, marks, "truth", "answer")
    ends = (low - pad, high + pad)
    frame.line([(one, one) for one in ends], "thin faint")
    for shift in (-half_width, half_width):
        # Each line is cut where it leaves the frame.
        begin, end = max(ends[0], ends[0] - shift), min(ends[1], ends[1] - shift)
        if begin < end:
            frame.add('<line class="ideal" x1="{}" y1="{}"', frame.across(begin), frame.down(begin + shift))
            frame.add(' x2="{}" y2="{}"/>', frame.across(end), frame.down(end + shift))
    for truth, said in pairs:
        frame.add("<g><title>said {}, true {}</title>", f"{said:.4g}", f"{truth:.4g}")
        frame.add('<circle class="dot first" fill-opacity="0.55" cx="{}" cy="{}" r="3"/></g>', frame.across(truth),
                  frame.down(said))  # fmt: skip
    return frame.svg("Answers against the truth, with the line of equality and the range around it")
