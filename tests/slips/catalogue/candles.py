"""Slips in candles and in how files are read."""

from __future__ import annotations

from ..slip import slips

SLIPS = [
    *slips(
        "candles",
        "candles/resample.py",
        "tests/candles/test_resample.py::test_a_partial_bar_is_never_made tests/candles/test_long_bars.py",
        [
            (
                "whole-bar-before-a-gap-lost",
                'np.searchsorted(closed, gaps.start[is_counted], side="right")',
                'np.searchsorted(closed, gaps.start[is_counted], side="left")',
            ),
            (
                "whole-bar-after-a-gap-lost",
                'np.searchsorted(opened, gaps.end[is_counted], side="left")',
                'np.searchsorted(opened, gaps.end[is_counted], side="right")',
            ),
            ("first-partial", "is_within = (opened >= candles.open_time[0]) & ", "is_within = "),
            ("last-partial", " & (closed <= candles.close_time[-1])", ""),
            ("bridges-ignored", "is_counted = gaps.bars > candles.bridge", "is_counted = gaps.bars > 0"),
            ("volume-of-the-last", '"volume": _over(np.add, candles.volume, first)', '"volume": candles.volume[last]'),
            ("close-of-the-first", '"close": candles.close[last]', '"close": candles.close[first]'),
            ("weeks-from-thursday", "MONDAY = 4 * DAY", "MONDAY = 0 * DAY"),
        ],
    ),
    *slips(
        "candles",
        "candles/gaps.py",
        "tests/candles/test_gaps.py tests/candles/test_issues.py tests/candles/test_long_bars.py",
        [
            ("one-bar-is-no-hole", "row = np.flatnonzero(missing > 0)", "row = np.flatnonzero(missing > 1)"),
            ("bridge-exclusive", "gaps.bars > candles.bridge]] = 1", "gaps.bars >= candles.bridge]] = 1"),
            ("pauses-missing", "np.where(apart > 0, 0, (gap - paused) // step)", "np.where(apart > 0, 0, gap // step)"),
            (
                "long-closings-are-holidays",
                "is_long = (closed > longest_holiday(candles.clock))",
                "is_long = (closed > 1_000)",
            ),
        ],
    ),
    *slips(
        "candles",
        "candles/mend.py",
        "tests/candles/test_mend.py",
        [
            (
                "clips-close",
                'pl.when(here).then(pl.max_horizontal(*PRICES)).otherwise("high").alias("high")',
                'pl.when(here).then(pl.max_horizontal("high", "low")).otherwise("high").alias("high")',
            ),
            ("disputed-kept", "is_kept &= ~mask\n    for kind", "pass\n    for kind"),
            ("earlier-of-two", "len(edges) - 2 - int(np.diff(edges)[::-1].argmax())", "int(np.diff(edges).argmax())"),
        ],
    ),
    *slips(
        "candles",
        "candles/table.py",
        "tests/candles/test_table.py tests/candles/test_clock.py::test_the_session_names_the_data_where_it_says_where_a_day_ends",
        [
            (
                "fingerprint-of-times",
                "for name in (*intake.COLUMNS, *self.activity):",
                "for name in intake.COLUMNS[:2]:",
            ),
            (
                "year-of-bars",
                "return len(self) / elapsed * YEAR_SECONDS",
                "return YEAR_SECONDS / self.interval.seconds",
            ),
            (
                "written-by-anyone",
                "np.full(len(self), np.nan)\n        values.flags.writeable = False",
                "np.full(len(self), np.nan)\n        values = values.copy()",
            ),
        ],
    ),
    *slips(
        "candles",
        "candles/fills.py",
        "tests/candles/test_fills.py",
        [
            (
                "averages-of-high-and-low",
                "(opened[:-1] + closed[:-1]) / 2",
                "(candles.high[:-1] + candles.low[:-1]) / 2",
            ),
            ("copies-with-other-volume", "copied[1:] &= (volume[1:] == volume[:-1]) | ~(volume[1:] > 0)", "pass"),
            ("untraded-from-the-start", "return has_traded & ~(candles.volume > 0)", "return ~(candles.volume > 0)"),
        ],
    ),
    *slips(
        "candles",
        "candles/fills.py",
        "tests/evaluation/test_between_bars.py",
        [("locked-in-one-price-only", " | (ranges < NARROW * local_median(ranges))", "")],
    ),
    *slips(
        "candles",
        "candles/caps.py",
        "tests/candles/test_caps.py",
        [
            ("rises-alone", "for sign in (1.0, -1.0):", "for sign in (1.0,):"),
            ("tails-are-caps", "inside >= MINIMUM", "inside >= 1"),
            ("ticks-forgotten", "np.minimum(np.median(step), COARSEST * cap)", "0.0"),
        ],
    ),
    *slips(
        "candles",
        "candles/repeats.py",
        "tests/candles/test_repeats.py",
        [
            ("mirror-images-unseen", "    if mirrored:\n", "    if False:\n"),
            ("alike-is-repeated", "pairs / matches if matches >= SHORTEST else 0.0", "0.0"),
            ("first-time-marked", "found[1 + other[is_same] + bar] = True", "found[1 + one[is_same] + bar] = True"),
        ],
    ),
    *slips(
        "candles",
        "candles/offsets.py",
        "tests/candles/test_offsets.py",
        [
            ("gaps-not-judged", "kinds = [np.diff(closes), opens[1:] - closes[:-1]]", "kinds = [np.diff(closes)]"),
            ("bounce-is-an-offset", " & (smaller >= least)", ""),
            ("offsets-of-earlier-bars", " and part.statistic >= PRESENT and min(whole.share, part.share) >= SHARE", ""),
            (
                "reversal-unexplained",
                "chance = np.clip(1 / (1 + np.exp(slope * product)), USUAL, HIGHEST)",
                "chance = np.full(len(one), 0.3)",
            ),
        ],
    ),
    *slips(
        "candles",
        "candles/late.py",
        "tests/candles/test_late.py",
        [
            (
                "coarse-bars-late",
                "is_wide = high - low > FEW_STEPS * np.maximum(_steps(candles), least)",
                "is_wide = high > low",
            ),
            (
                "low-alone-unseen",
                "(highs[1:] & highs[:-1] & is_new_high) | (lows[1:] & lows[:-1] & is_new_low)",
                "np.zeros(len(candles) - 1, dtype=bool)",
            ),
            (
                "chance-not-subtracted",
                "(int(near.sum()) - int(far.sum())) / len(candles)",
                "int(near.sum()) / len(candles)",
            ),
        ],
    ),
    *slips(
        "candles",
        "candles/smoothing.py",
        "tests/candles/test_smoothing.py",
        [
            ("true-moves-accused", "is_smoothed = ratio >= WIDE and", "is_smoothed ="),
        ],
    ),
    *slips(
        "candles",
        "candles/volumes.py",
        "tests/candles/test_volumes.py",
        [
            ("late-is-early", "(returns[:-1], returns[1:])", "(returns[1:], returns[:-1])"),
            ("centred-window-unseen", "if _holds_later(share, returns, known) or", "if"),
            ("next-bars-alone", "range(-FARTHEST, FARTHEST + 1)", "range(-FARTHEST, 4)"),
            ("echoes-are-early", "range(-FARTHEST, FARTHEST + 1)", "range(0, FARTHEST + 1)"),
            ("volatility-is-early", " and _answers_to_bars(volume, widths[1:-1], has_both[1:-1])", ""),
            ("hours-are-early", "    place = _place(candles)\n", "    place = np.zeros(len(candles), np.int64)\n"),
            ("memory-is-no-noise", "FAR_ERRORS * _widening(amount, moves) /", "FAR_ERRORS /"),
            ("windows-answer-at-once", "range(FARTHEST + 1))", "range(1))"),
            ("other-units-early", "own < INSIDE and later > own + BETTER", "own < INSIDE"),
        ],
    ),
    *slips(
        "candles",
        "candles/ticks.py",
        "tests/candles/test_fills.py",
        [
            (
                "smallest-step",
                "return float(steps.max()) if len(steps) else np.nan",
                "return float(steps.min()) if len(steps) else np.nan",
            )
        ],
    ),
    *slips(
        "reading",
        "reading/soundness.py",
        "tests/candles/test_intake.py::test_the_interval_is_the_most_common_step tests/reading/test_steps.py",
        [
            (
                "smallest-step",
                "common = Interval(max(int(pl.Series(seconds).mode().min()), 1))",
                "common = Interval(max(int(pl.Series(seconds).min()), 1))",
            ),
            ("given-interval-unchecked", "if wanted != common:", "if False:"),
            ("impossible-read", "if impossible > SHARE * len(bars):", "if False:"),
            ("repeated-times-read", "if np.count_nonzero(steps == 0) > SHARE * len(steps):", "if False:"),
        ],
    ),
    *slips(
        "reading",
        "reading/timing.py",
        "tests/candles/test_intake.py tests/reading/test_steps.py",
        [
            ("milliseconds-as-seconds", '("ms", 1_000)', '("ms", 1_000_000)'),
            (
                "unit-by-the-shortest",
                "return next((position for position, (_, micros) in enumerate(UNITS) if low",
                "return next((position for position, (_, micros) in reversed(list(enumerate(UNITS))) if low",
            ),
        ],
    ),
    *slips(
        "reading",
        "reading/understanding.py",
        "tests/reading/test_steps.py",
        [("close-times-as-open", "opened = interval.before(_full_second(opened))", "pass")],
    ),
    *slips(
        "reading",
        "reading/bars.py",
        "tests/reading/test_shapes_of_text.py",
        [
            (
                "rows-of-all-symbols",
                "return text.is_in(exact).fill_null(False) if len(found.symbols) > 1 else None",
                "return None",
            ),
            ("damage-left-out", "    shown = cells[name]\n", "    return\n"),
        ],
    ),
]
