"""Slips in sources and the store."""

from __future__ import annotations

from ..slip import slips

SLIPS = [
    *slips(
        "sources",
        "sources/binance.py",
        "tests/sources/test_pages_by_hand.py",
        [
            ("last-bar-lost", "if cursor + interval.timedelta <= end:", "if cursor + interval.timedelta < end:"),
            ("holes-not-asked", 'if run["open_time"][0] > cursor:', "if False:"),
            ("cursor-stays", 'cursor = run["close_time"][-1]', 'cursor = run["open_time"][-1]'),
            ("unclosed-bar", "end = min(end, self.now)", "end = end"),
        ],
    ),
    *slips(
        "sources",
        "sources/page.py",
        "tests/sources/test_pages_by_hand.py",
        [
            ("page-with-unclosed-bar", '(pl.col("close_time") <= end)', '(pl.col("open_time") <= end)'),
            ("before-the-period", '(pl.col("open_time") >= start)', '(pl.col("open_time") >= start - step)'),
            ("contradictions-kept", "if twice.height:", "if False:"),
            ("numbers-absent", "if absent := numbers.select(", "if absent := 0 * numbers.select("),
        ],
    ),
    *slips(
        "sources",
        "sources/dumps.py",
        "tests/sources/test_pages_by_hand.py tests/sources/test_binance.py::test_a_dump_that_differs_from_its_checksum_is_fetched_again_and_then_refused",
        [
            ("checksum-unchecked", "if [found] != published:", "if False:"),
            (
                "microseconds-as-milliseconds",
                "pl.when(count < MICROSECONDS_FROM).then(count * 1_000).otherwise(count)",
                "count * 1_000",
            ),
            ("month-of-30-days", "(start + timedelta(days=32)).replace(day=1)", "start + timedelta(days=30)"),
            ("days-beside-months", "max(since, months[-1].end) if months else since", "since"),
        ],
    ),
    *slips(
        "sources",
        "sources/exchange.py",
        "tests/sources/test_pages_by_hand.py tests/sources/test_exchange.py"
        " tests/sources/test_network.py::test_an_answer_that_is_none_is_told_and_never_a_hole"
        " tests/sources/test_network.py::test_a_clock_that_is_a_year_away_closes_no_bars",
        [
            ("last-bar-lost-by-rest", "while cursor + step <= end:", "while cursor + step < end:"),
            ("clock-unchecked", "if abs(now - here) > CLOCKS_APART:", "if False:"),
            (
                "anything-is-empty",
                "return says_nothing_found(said) and not (is_list and said) and are_dated(said)",
                "return True",
            ),
        ],
    ),
    *slips(
        "sources",
        "sources/retry.py",
        "tests/sources/test_pages_by_hand.py",
        [
            ("waits-do-not-grow", "self.first_seconds * 2 ** (failures - 1)", "self.first_seconds"),
            (
                "asks-for-ever",
                "if failures == self.attempts or wait > self.patience_seconds:",
                "if wait > self.patience_seconds:",
            ),
            (
                "asked-wait-ignored",
                "if after_seconds is not None:\n            return after_seconds + self.first_seconds * self.jitter()",
                "pass",
            ),
        ],
    ),
    *slips(
        "sources",
        "sources/adjust.py",
        "tests/sources/test_pages_by_hand.py",
        [
            ("own-split-too", '.reverse().cum_prod().reverse() / pl.col("split")', ".reverse().cum_prod().reverse()"),
            ("volume-unadjusted", 'volume=pl.col("volume") * later_splits()', 'volume=pl.col("volume")'),
        ],
    ),
    *slips(
        "sources",
        "sources/yahoo.py",
        "tests/sources/test_yahoo.py",
        [
            (
                "dividends-not-undone",
                'return frame.with_columns(pl.col(*PRICES, "dividend") * shares',
                "return frame.with_columns(pl.col(*PRICES) * shares",
            ),
            (
                "split-of-the-day",
                'search_sorted(frame["local"], side="right")',
                'search_sorted(frame["local"], side="left")',
            ),
        ],
    ),
    *slips(
        "sources",
        "sources/alpha_vantage.py",
        "tests/sources/test_alpha_vantage.py",
        [
            ("times-in-utc", 'replace_time_zone(NEW_YORK if is_local else "UTC")', 'replace_time_zone("UTC")'),
            ("last-month-lost", "while month <= end:", "while month + timedelta(days=31) <= end:"),
        ],
    ),
    *slips(
        "store",
        "store/observations.py",
        "tests/store/test_observations.py",
        [
            (
                "first-seen-holds",
                'unique("open_time", keep="last", maintain_order=True)',
                'unique("open_time", keep="first", maintain_order=True)',
            ),
            (
                "asked-by-the-last",
                'asked = pl.col("asked_from").min().over("open_time")  # what was asked once stays asked',
                'asked = pl.col("asked_from").last().over("open_time")',
            ),
            (
                "changes-without-volume",
                'PRICES = ("open", "high", "low", "close", "volume")',
                'PRICES = ("open", "high", "low", "close")',
            ),
            ("pages-out-of-order", "if is_early.any():", "if False:"),
            (
                "holes-told-as-asked",
                "asked_from=pl.when(opened > closed).then(closed)",
                "asked_from=pl.lit(None, TIME)",
            ),
            ("nothing-unasked", '(pl.lit(is_recheck) | pl.col("asked_from").is_null()', "(pl.lit(is_recheck)"),
            (
                "clock-back",
                'pl.max_horizontal("seen_at", pl.col("seen_at_before") + timedelta(microseconds=1))',
                'pl.col("seen_at")',
            ),
        ],
    ),
    *slips(
        "store",
        "store/update.py",
        "tests/store/test_update.py tests/store/test_changes.py",
        [
            ("end-not-asked-again", "if end > step.next(last) and not is_over:", "if False:"),
            ("split-half-stored", "if is_whole:\n                self.waiting.clear()\n            raise", "raise"),
            ("changes-unseen", "or not self._is_changed(head, start):", "or True:"),
            (
                "failures-lose-pages",
                "        finally:\n            self.commit()\n        return last",
                "        self.commit()\n        return last",
            ),
        ],
    ),
    *slips(
        "store",
        "store/compact.py",
        "tests/store/test_changes.py",
        [("history-lost", "pl.concat([elsewhere, old])", "elsewhere")],
    ),
]
