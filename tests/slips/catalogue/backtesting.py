"""Slips in the account, orders, portfolio and costs."""

from __future__ import annotations

from ..slip import slips

SLIPS = [
    *slips(
        "backtesting",
        "backtesting/costs.py",
        "tests/backtesting/test_account.py tests/backtesting/test_costs_by_hand.py",
        [
            (
                "half-spread-dropped",
                "slippage=(self.half_spread_bps + self.slippage_bps) / 10_000",
                "slippage=self.slippage_bps / 10_000",
            ),
            (
                "half-spread-not-told",
                "return self.fee_bps + self.half_spread_bps + self.slippage_bps",
                "return self.fee_bps + self.slippage_bps",
            ),
            ("preset-without-spread", "maker_fee_bps=10.0, half_spread_bps=0.5)", "maker_fee_bps=10.0)"),
            ("shares-without-spread", "half_spread_bps=1.0,\n            borrow_percent=0.3", "borrow_percent=0.3"),
            (
                "maker-is-taker",
                "maker = self.fee_bps if self.maker_fee_bps is None else self.maker_fee_bps",
                "maker = self.fee_bps",
            ),
            (
                "maintenance-in-bps",
                "maintenance=self.maintenance_percent / 100",
                "maintenance=self.maintenance_percent / 10_000",
            ),
            ("carry-without-loans", "self.interest_percent, self.loan_percent))", "self.interest_percent))"),
        ],
    ),
    *slips(
        "backtesting",
        "backtesting/engine/account.py",
        "tests/backtesting/test_account.py tests/backtesting/test_costs_by_hand.py",
        [
            (
                "no-impact-on-liquidation",
                "slippage = slipped(terms, account.units, volume)\n    ticket",
                "slippage = terms.slippage\n    ticket",
            ),
            (
                "band-ignored-at-zero",
                "return abs(value - account.target * equity) > band * equity",
                "return account.target != 0.0 and abs(value - account.target * equity) > band * equity",
            ),
            (
                "split-before-dividend",
                "cash = account.cash + account.units * events.dividend",
                "cash = account.cash + account.units * events.split * events.dividend",
            ),
            ("interest-on-proceeds", "free = cash + min(value, 0.0)", "free = cash"),
            (
                "funding-turned",
                "cash -= value * events.funding - min(value, 0.0) * events.borrow",
                "cash += value * events.funding + min(value, 0.0) * events.borrow",
            ),
            (
                "slippage-for-the-better",
                "paid = price * (1.0 + side * ticket.slippage)",
                "paid = price * (1.0 - side * ticket.slippage)",
            ),
            (
                "sized-before-costs",
                "units = target * left / price - account.units",
                "units = target * equity / price - account.units",
            ),
            (
                "limit-overpaid",
                "paid = min(paid, limit) if units > 0.0 else max(paid, limit)",
                "paid = max(paid, limit) if units > 0.0 else min(paid, limit)",
            ),
            ("worst-is-close", "return bar.high if account.units < 0.0 else bar.low", "return bar.close"),
            (
                "maintenance-forgotten",
                "closing = abs(cost(-account.units, terms.slippage, terms.taker)) + terms.maintenance",
                "closing = abs(cost(-account.units, terms.slippage, terms.taker))",
            ),
            (
                "gap-at-limit",
                "reached = min(price, limit) if account.units > 0.0 else max(price, limit)",
                "reached = limit",
            ),
            (
                "impact-unlimited",
                "taken = min(abs(units) / volume, 1.0) if volume > 0.0 else 1.0",
                "taken = abs(units) / volume if volume > 0.0 else 1.0",
            ),
            ("impact-linear", "terms.impact * math.sqrt(taken)", "terms.impact * taken"),
            ("loss-in-cash", "account.shortfall + max(-left, 0.0)", "account.shortfall"),
            (
                "closed-bars-fill",
                "    if math.isnan(bar.volume):\n        account, ended",
                "    if False:\n        account, ended",
            ),
            (
                "fee-rounded-down",
                "charge = rounded_up(charge, terms.cent)",
                "charge = rounded_down(charge, terms.cent)",
            ),
        ],
    ),
    *slips(
        "backtesting",
        "backtesting/filters.py",
        "tests/backtesting/test_account.py tests/backtesting/test_costs_by_hand.py",
        [
            (
                "lots-rounded-up",
                "units = rounded_down(units, lot) if units > 0.0",
                "units = rounded_up(units, lot) if units > 0.0",
            ),
            ("minimum-on-closing", "if closes(units, held):\n        return -held", "pass"),
            ("residue-kept", "return abs(units + held) <= RESIDUE * abs(units)", "return units + held == 0.0"),
        ],
    ),
    *slips(
        "backtesting",
        "backtesting/engine/portfolio_step.py",
        "tests/backtesting/test_portfolio_step.py",
        [
            (
                "interest-on-proceeds-in-a-gap",
                "free += min(units[asset] * holdings.marks[asset], 0.0)\n            continue",
                "continue",
            ),
            (
                "portfolio-interest-on-proceeds",
                "free += carried.cash - cash + min(carried.units * opens[asset], 0.0)",
                "free += carried.cash - cash",
            ),
            ("loan-for-interest", "free * (own[0, 4] if free > 0.0 else own[0, 5])", "free * own[0, 4]"),
            (
                "worst-of-longs",
                "prices.high[row, asset] if units[asset] < 0.0 else prices.low[row, asset]\n        worth =",
                "prices.low[row, asset]\n        worth =",
            ),
            ("counted-without-maintenance", "+ terms.maintenance) * abs(units)", ") * abs(units)"),
            (
                "portfolio-liquidated-without-impact",
                "slippage = slipped(terms, units[asset], volume)\n            ticket",
                "slippage = terms.slippage\n            ticket",
            ),
            (
                "equity-without-others",
                "for asset in range(len(units)):\n        equity += units[asset] * marks[asset]",
                "for asset in range(1):\n        equity += units[asset] * marks[asset]",
            ),
            (
                "band-in-units",
                "drifted = not in_units[asset] and band[asset] < math.inf",
                "drifted = band[asset] < math.inf",
            ),
        ],
    ),
    *slips(
        "backtesting",
        "backtesting/engine/matching.py",
        "tests/backtesting/test_steps_of_orders.py",
        [
            (
                "limit-overshoots",
                "return level if ((end <= level) if buys else (end >= level)) else math.nan",
                "return end if ((end <= level) if buys else (end >= level)) else math.nan",
            ),
            (
                "stop-gap-at-its-price",
                "if (price >= level) if buys else (price <= level):\n            return price\n        return level if ((end >= level)",
                "if (price >= level) if buys else (price <= level):\n            return level\n        return level if ((end >= level)",
            ),
            (
                "taker-for-maker",
                "Ticket(units, terms.maker, 0.0, kind, math.nan)",
                "Ticket(units, terms.taker, 0.0, kind, math.nan)",
            ),
            (
                "group-lives-on",
                "if has_filled and group != 0.0 and book[row, GROUP] == group:",
                "if False and book[row, GROUP] == group:",
            ),
            ("trail-moves-back", "min(held, level) if book[row, UNITS] > 0.0 else max(held, level)", "level"),
            ("never-expires", "book[kept, BARS] -= 1.0", "book[kept, BARS] -= 0.0"),
            ("split-forgets-stop", "book[row, STOP] /= ratio", "pass"),
            (
                "optimist",
                "if conditions.pessimism * (upper - lower) < 0.0:",
                "if conditions.pessimism * (upper - lower) > 0.0:",
            ),
            (
                "exits-not-cut",
                "elif abs(units) > abs(held):\n            book[row, UNITS] = -held",
                "elif False:\n            pass",
            ),
            (
                "limit-on-wrong-side-of-grid",
                "rounded_down(level, tick) if buys else rounded_up(level, tick)",
                "rounded_up(level, tick) if buys else rounded_down(level, tick)",
            ),
        ],
    ),
    *slips(
        "backtesting",
        "backtesting/actions.py",
        "tests/backtesting/test_actions.py",
        [
            ("loan-column", "(5, costs.loan_percent)", "(4, costs.loan_percent)"),
            ("year-of-365", "YEAR_SECONDS = 365.25 * 86_400", "YEAR_SECONDS = 360 * 86_400"),
            ("true-funding-added", "if given.any():\n        events[:, 2] = 0.0", "pass"),
            ("events-of-the-last-bar-lost", "(rows < len(opens))", "(rows < len(opens) - 1)"),
        ],
    ),
    *slips(
        "backtesting",
        "backtesting/result.py",
        "tests/backtesting/test_summary_by_hand.py",
        [
            (
                "block-without-squares",
                "bootstrap.block_length(np.column_stack([returns, returns**2]))",
                "bootstrap.block_length(returns)",
            ),
            (
                "turnover-per-bar",
                'float(fills["notional"].to_numpy().sum() / mean_equity / years) if years else 0.0',
                'float(fills["notional"].to_numpy().sum() / mean_equity) if years else 0.0',
            ),
            (
                "exposure-signed",
                'float(np.abs(equity["position"].to_numpy()).mean())',
                'float(equity["position"].to_numpy().mean())',
            ),
            (
                "profit-over-trades",
                "float(won / lost) if lost else np.nan",
                "float(won / len(pnl)) if lost else np.nan",
            ),
            ("cost-of-first-cash", "cost / self.cash,", "cost / mean_equity,"),
            (
                "benchmark-after-ruin",
                "return self.benchmark_returns[: self._living - 1]",
                "return self.benchmark_returns",
            ),
        ],
    ),
    *slips(
        "backtesting",
        "backtesting/trades.py",
        "tests/backtesting/test_trades_by_hand.py tests/backtesting/test_backtest.py::test_short_round_trip tests/backtesting/test_backtest.py::test_long_round_trip_with_fee_and_slippage",
        [
            ("fees-forgotten", "pnl = side * (exited - entered) - fees", "pnl = side * (exited - entered)"),
            (
                "mae-is-mfe",
                "against, favour = np.where(side > 0, low, high)",
                "against, favour = np.where(side < 0, low, high)",
            ),
        ],
    ),
    *slips(
        "backtesting",
        "backtesting/curves.py",
        "tests/backtesting/test_curves.py::test_break_even_by_hand tests/backtesting/test_curves.py::test_capacity_by_hand tests/backtesting/test_curves.py::test_break_even_of_what_never_earns_and_of_what_always_does",
        [
            (
                "spread-kept-at-break-even",
                "fee_bps=cost, maker_fee_bps=None, half_spread_bps=0.0",
                "fee_bps=cost, maker_fee_bps=None",
            ),
            (
                "participation-inverted",
                "result.cash * participation / quantile",
                "result.cash * quantile / participation",
            ),
        ],
    ),
    *slips(
        "backtesting",
        "backtesting/delay.py",
        "tests/backtesting/test_delay.py",
        [("no-delay", 'decision_rows(candles, frame, "position") + bars', 'decision_rows(candles, frame, "position")')],
    ),
    *slips(
        "backtesting",
        "backtesting/simulate.py",
        "tests/backtesting/test_backtest.py::test_the_last_order_is_pending tests/backtesting/test_backtest.py::test_the_benchmark_buys_at_the_first_open_and_holds tests/backtesting/test_backtest.py::test_positions_off_the_bars_are_named tests/backtesting/test_costs_by_hand.py",
        [
            (
                "bearable-without-costs",
                "leverage * (terms.maintenance + terms.taker + terms.slippage + terms.impact)",
                "leverage * terms.maintenance",
            ),
            ("view-sees-next", "return self._candles[: self.bar + 1]", "return self._candles[: self.bar + 2]"),
            ("pending-forgotten", "pending = last if is_due and is_alive else None", "pending = None"),
        ],
    ),
]
