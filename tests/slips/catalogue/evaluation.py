"""Slips in what is concluded: verdict, evidence, objections, accuracy, tally, statistics and ledger."""

from __future__ import annotations

from ..slip import slips

SLIPS = [
    *slips(
        "beside",
        "evaluation/beside.py",
        "tests/study/test_baseline_trials.py",
        [
            ("baselines-are-free", "if each not in standard}", "if False}"),
            ("code-trades-for-free", "or (not is_own_target and follows(name))", "or True"),
            ("followers-count", "and follows(name)", "and False"),
            ("further-targets-are-free", "for each in components(target)[1:]]", "for each in components(target)[2:]]"),
            (
                "stops-are-free",
                "        if sees_results(recipe):\n            as_ledger",
                "        if False:\n            as_ledger",
            ),
        ],
    ),
    *slips(
        "redating",
        "evaluation/redating.py",
        "tests/evaluation/test_redating.py",
        [
            ("any-lag", "if not likeness[lag] > CLEAR * float(elsewhere.max()):", "if False:"),
            ("earlier-dates-alone", "(lag if lag < buckets else lag - size)", "lag"),
        ],
    ),
    *slips(
        "folds",
        "dataset/training_parts.py",
        "tests/dataset/test_training_parts.py",
        [
            ("holes-are-no-choice", "len(fold.fit.parts) == 1 and is_last", "is_last"),
            ("any-length", "longest - (end - start) <= TOLERANCE * longest", "True"),
            ("any-gap", "max(gaps) - min(gaps) <= GAP * longest", "True"),
        ],
    ),
    *slips(
        "following",
        "evaluation/following.py",
        "tests/evaluation/test_following.py",
        [
            ("follows-itself", "following[is_known] = part(", "following[is_known] = (lambda own, _: own)("),
            ("gain-of-the-static-account", "return (following_log - static_log) / gain", "return following_log / gain"),
            ("volatility-only-rises", "rising_part if is_directed else monotone_part", "rising_part"),
            ("implied-returns-are-forecasts", "_signal(frame) if target is None else", "_signal(frame) if True else"),
            ("levels-are-forecasts", "return target.change(mean, naive)", "return mean"),
        ],
    ),
    *slips(
        "following",
        "panel/following.py",
        "tests/evaluation/test_following.py",
        [("every-weight-follows", "rising_part(weights[is_known], _ranks(scores)[is_known])", "weights[is_known]")],
    ),
    *slips(
        "ledger",
        "ledger/inbox.py",
        "tests/ledger/test_inbox.py",
        [
            ("damage-counted", "if path.stem != _digest(content):", "if False:"),
            ("half-written-counted", "if path.suffix == END)", ")"),
        ],
    ),
    *slips(
        "ledger",
        "ledger/trials.py",
        "tests/ledger/test_inbox.py",
        [
            ("inbox-unread", "                self._take_in(connection)\n", ""),
            ("inbox-needs-a-ledger", " or bool(Inbox(self.path.parent).waiting())", ""),
            (
                "removed-before-counted",
                '        connection.execute("COMMIT")\n        inbox.remove(waiting)\n',
                '        inbox.remove(waiting)\n        connection.execute("COMMIT")\n',
            ),
        ],
    ),
    *slips(
        "ledger",
        "ledger/begins.py",
        "tests/study/test_begun.py",
        [
            ("looks-are-free", "if unended > 1 + FREE else None", "if False else None"),
            ("ends-pay-for-nothing", "    if unended := _unended(connection, choices):", "    if (unended := 0):"),
        ],
    ),
    *slips(
        "scan",
        "scan/running.py",
        "tests/scan/test_begun_cells.py",
        [("retries-begin-again", "for cell in share.cells if cell.name not in begun]", "for cell in share.cells]")],
    ),
    *slips(
        "cli",
        "cli/scan.py",
        "tests/cli/test_scan.py",
        [("shards-open-the-ledger", "begun = ledger if part is None else Inbox(runs)", "begun = ledger")],
    ),
    *slips(
        "scan",
        "scan/running.py",
        "tests/scan/test_begun_cells.py",
        [("kept-uncounted", "    if outcome.begun:\n        ledger.begin(outcome.begun)\n", "")],
    ),
    *slips(
        "scan",
        "scan/messages.py",
        "tests/scan/test_messages.py",
        [
            ("own-features-travel-as-code", " and is_ours(obj):", " and False:"),
            ("any-feature-is-made-again", " and is_ours(obj):", " and obj.kind in features.FACTORIES:"),
            ("a-scaling-stays-behind", '"outputs", "scaling", "label")', '"outputs", "label")'),
        ],
    ),
    *slips(
        "scan",
        "scan/outlook.py",
        "tests/scan/test_begun_cells.py",
        [
            (
                "own-cells-twice",
                "effective_of(without_own(ledger.entries(), cells, folder))",
                "effective_of(ledger.entries())",
            )
        ],
    ),
    *slips(
        "ledger",
        "ledger/trial.py",
        "tests/ledger/test_ledger.py",
        [("ended-was-never-open", " and (self.ended is None or self.ended > batch)", " and self.ended is None")],
    ),
    *slips(
        "evaluation",
        "evaluation/verdict.py",
        "tests/evaluation/test_judgement.py",
        [
            ("objections-ignored", "pays = evidence.is_significant and not against", "pays = evidence.is_significant"),
            (
                "objections-to-forecast-ignored",
                "is_known and not any(each.is_of_forecast for each in against)",
                "is_known",
            ),
            ("edge-is-either", "return self.is_forecastable and self.pays", "return self.is_forecastable or self.pays"),
            (
                "luck-named-edge",
                'if is_forecastable and pays:\n        return "An edge',
                'if pays:\n        return "An edge',
            ),
        ],
    ),
    *slips(
        "evaluation",
        "evaluation/evidence.py",
        "tests/evaluation/test_judgement.py",
        [
            ("level-ten-percent", "LEVEL = 0.05", "LEVEL = 0.10"),
            ("forecast-turned", "return self.forecast_p_adjusted < LEVEL", "return self.forecast_p_adjusted > LEVEL"),
            ("forecast-unadjusted", "return self.forecast_p_adjusted < LEVEL", "return self.forecast_p < LEVEL"),
            ("growth-dropped", "self.return_p_adjusted < LEVEL\n            and", "True\n            and"),
            (
                "growth-unadjusted",
                "            self.return_p_adjusted < LEVEL\n",
                "            self.return_p < LEVEL\n",
            ),
            ("timing-dropped", "and self.timing_p_adjusted < LEVEL", ""),
            ("sharpe-dropped", "and self.sharpe_p_adjusted < LEVEL", ""),
            ("sharpe-unadjusted", "and self.sharpe_p_adjusted < LEVEL", "and self.sharpe_p < LEVEL"),
            ("deflated-dropped", "and self.deflated_sharpe > 1 - LEVEL", ""),
            ("deflated-turned", "and self.deflated_sharpe > 1 - LEVEL", "and self.deflated_sharpe > LEVEL"),
            ("past-mean-left-out", 'p_values.append(row["p_mean"])', "pass"),
            (
                "smallest-p",
                "math.nan if None in p_values else max(p_values)",
                "math.nan if None in p_values else min(p_values)",
            ),
            (
                "unknown-p-ignored",
                "math.nan if None in p_values else max(p_values)",
                "max(p for p in p_values if p is not None)",
            ),
            ("least-variance-dropped", "variance=1.0 / max(record.observations - 1, 1))", "variance=1.0)"),
            ("growth-is-the-mean", "growth = returns if is_ruined else log_returns(returns)", "growth = returns"),
            ("ruin-forgiven", "    if is_ruined:\n        return 1.0, 1.0\n", ""),
            (
                "tally-of-forecasts-for-trades",
                "before, after = trial_count.trades_before, trial_count.trades",
                "before, after = trial_count.forecasts_before, trial_count.forecasts",
            ),
            ("tally-before-lost", "before=trial_count.forecasts_before,", "before=0.0,"),
            (
                "deflated-by-forecasts",
                "deflated_sharpe(self.record, trials=after)",
                "deflated_sharpe(self.record, trials=1.0)",
            ),
            ("timing-against-zero", "np.column_stack([growth, growth - held])", "np.column_stack([growth, growth])"),
            ("benchmark-turned", "sharpe_difference=difference.difference", "sharpe_difference=-difference.difference"),
            ("lucky-not-annual", "lucky_sharpe=lucky * math.sqrt(yearly)", "lucky_sharpe=lucky"),
            (
                "power-without-horizon",
                'detectable_r2(row["observations"], horizon=horizon)',
                'detectable_r2(row["observations"], horizon=1)',
            ),
        ],
    ),
    *slips(
        "evaluation",
        "evaluation/objections.py",
        "tests/evaluation/test_judgement.py tests/evaluation/test_objections.py",
        [
            ("spread-turned", "if not conditions.break_even_bps <= least:", "if not conditions.break_even_bps < 0:"),
            (
                "stale-fills-turned",
                "is_lost = conditions.middle_bps <= MIN_LEFT * cost",
                "is_lost = conditions.middle_bps > MIN_LEFT * cost",
            ),
            ("averaged-opens-allowed", "elif found.has_averaged_opens:", "elif False:"),
            (
                "lost-growth-allowed",
                "if math.log1p(annual) >= MIN_GROWTH * math.log1p(own):",
                "if math.log1p(annual) <= MIN_GROWTH * math.log1p(own):",
            ),
            ("cut-moves-allowed", "            _capped(result, evidence),\n", ""),
            ("early-activity-allowed", "if found is not None and found.early_activity:", "if False:"),
        ],
    ),
    *slips(
        "evaluation",
        "evaluation/fold_objections.py",
        "tests/evaluation/test_objections.py tests/evaluation/test_folds_that_leave_bars_out.py",
        [
            (
                "folds-out-of-order-allowed",
                "if evidence.conditions.is_in_time_order:\n        return None",
                "return None",
            ),
            ("left-out-bars-allowed", "if not missed:", "if True:"),
            (
                "left-out-bars-are-of-trading",
                '"does",\n        is_of_forecast=True,\n',
                '"does",\n',
            ),
        ],
    ),
    *slips(
        "evaluation",
        "evaluation/evidence.py",
        "tests/evaluation/test_combinations.py",
        [("combined-positions-allowed", "shared_p_value(p_value, trial_count.trade_own)", "p_value")],
    ),
    *slips(
        "evaluation",
        "evaluation/combinations.py",
        "tests/evaluation/test_combinations.py",
        [
            ("variants-combined", "rest = parts - _near(parts, leaders)", "rest = parts"),
            ("small-differences-lost", "if large.shape[1] >= min(parts.shape) or not is_there.any():", "if True:"),
            ("combinations-lead", "elif not _is_made(", "elif True or not _is_made("),
            ("small-steps-are-one", "max(_spread(made**2), 1 + ", "max(1.0, 1 + "),
            ("near-to-any-skill", "(np.abs(own @ others) > SAME)", "(np.abs(own @ others) > 0.0)"),
        ],
    ),
    *slips(
        "chosen",
        "evaluation/chosen_assets.py",
        "tests/panel/test_choice_of_assets.py",
        [
            ("choices-at-other-times", " if each.profile.span[0] < end and begin < each.profile.span[1]]", "]"),
            ("choices-of-the-quote", "            asset = asset_of(symbol)\n", "            asset = symbol\n"),
            ("others-are-choices", "if 2 * len(set(found)) < len(own.assets):", "if False:"),
            ("strangers-are-choices", "> SHARED * len(own.assets)", ">= 0"),
            ("one-of-many-is-one", "return max(sizes, default=1) - 1", "return 0"),
            ("by-name-alone", "alike = are_alike(", "alike = 0 * are_alike("),
        ],
    ),
    *slips(
        "panel",
        "panel/model_check.py",
        "tests/panel/test_models_of_users.py",
        [
            (
                "rows-together",
                '        if found is not None:\n            raise LookaheadError(\n                f"model {model.name} moved a',
                '        if False:\n            raise LookaheadError(\n                f"model {model.name} moved a',
            ),
            ("nothing-learnt", "for is_mirrored in (False, True):", "for is_mirrored in ():"),
        ],
    ),
    *slips(
        "panel",
        "panel/assets.py",
        "tests/panel/test_ends.py",
        [
            ("repeats-are-trades", "traded = len(candles) - repeated_at_end(candles)", "traded = len(candles)"),
            ("never-soon", "late = min(LATE,", "late = max(LATE,"),
        ],
    ),
    *slips(
        "panel",
        "panel/dating.py",
        "tests/panel/test_conditions.py",
        [("whole-record-alone", "range(MOST_HALVINGS + 1)", "range(1)")],
    ),
    *slips(
        "panel",
        "panel/dating.py",
        "tests/panel/test_dating.py",
        [
            ("pairs-alone", "if not leads.any():", "if False:"),
            ("leaders-accused", " and min(within) > MOST * across", ""),
        ],
    ),
    *slips(
        "ledger",
        "ledger/schema.py",
        "tests/ledger/test_ledger.py",
        [
            (
                "may-be-deleted",
                "BEFORE DELETE {refused}",
                "BEFORE DELETE ON {table} BEGIN SELECT 1; END",
            )
        ],
    ),
    *slips(
        "ledger",
        "ledger/sketch.py",
        "tests/ledger/test_sketches.py",
        [
            ("crashes-are-alike", "return np.clip(values, -scale, scale), known", "return values, known"),
            ("first-bars", 'np.argsort(_hashed(known), kind="stable")[:SIZE]', "np.arange(len(known))[:SIZE]"),
        ],
    ),
    *slips(
        "ledger",
        "ledger/trials.py",
        "tests/ledger/test_ledger.py",
        [
            ("never-ends", 'else f"WHERE {UNENDED} ORDER BY number"', 'else "ORDER BY number"'),
        ],
    ),
    *slips(
        "study",
        "evaluation/trials.py",
        "tests/study/test_begun.py",
        [
            ("nobody-sees", "if sees_results(recipe):", "if False:"),
            ("costs-make-alike", 'if identities(recipe.get("costs")) else result', "if False else result"),
        ],
    ),
    *slips(
        "audit",
        "audit/counting.py",
        "tests/audit/test_counting.py",
        [
            ("audits-uncounted", "    begin(ledger, recipe,", "    (lambda *_: None)(ledger, recipe,"),
            (
                "choices-of-their-own",
                "judged_since(study.recipe(candles, seed=seed), since)",
                "study.recipe(candles, seed=seed)",
            ),
        ],
    ),
    *slips(
        "study",
        "study/study.py",
        "tests/audit/test_counting.py",
        [("targets-see-first", "        self.begin_walk(candles, seed=seed, since=since, ledger=ledger)\n", "")],
    ),
    *slips(
        "stats",
        "stats/rare_losses.py",
        "tests/stats/test_rare_losses.py",
        [
            (
                "trends-are-rare",
                "return largest if largest - middle > RARE * (usual - middle) else 0.0",
                "return largest",
            ),
            ("no-stretch", "for bars, lost in (*_own_stretches(returns), *worst_stretches):", "for bars, lost in ():"),
        ],
    ),
    *slips(
        "panel",
        "panel/account.py",
        "tests/panel/test_conditions.py",
        [("no-beta", "float(beside @ moves) / square if square > 0 else 0.0", "0.0")],
    ),
    *slips(
        "panel",
        "panel/verdict.py",
        "tests/panel/test_conditions.py",
        [("dated-apart-allowed", "if found.ahead and found.behind:", "if False:")],
    ),
    *slips(
        "evaluation",
        "evaluation/tradability.py",
        "tests/evaluation/test_tradability.py",
        [
            (
                "tick-for-spread",
                "half_spread_bps=5_000 * spread,",
                "half_spread_bps=10_000 * spread,",
            ),
            (
                "copies-tradable",
                '"copied bars": self.has_copied_bars,',
                '"copied bars": False,',
            ),
        ],
    ),
    *slips(
        "evaluation",
        "evaluation/tradability.py",
        "tests/candles/test_offsets.py tests/candles/test_late.py",
        [
            (
                "offsets-tradable",
                '"offsets that come and go": self.has_offsets,',
                '"offsets that come and go": False,',
            ),
            ("late-bars-tradable", '"late bars": self.has_late_bars,', '"late bars": False,'),
        ],
    ),
    *slips(
        "evaluation",
        "evaluation/tradability.py",
        "tests/candles/test_repeats.py tests/candles/test_smoothing.py",
        [
            ("copied-before-unseen", "_mean(candles.is_repeated[first:])", "_mean(candles[first:].is_repeated)"),
            ("smoothed-tradable", '"smoothed prices": self.has_smoothed_prices,', '"smoothed prices": False,'),
        ],
    ),
    *slips(
        "evaluation",
        "candles/block_lines.py",
        "tests/candles/test_block_lines.py",
        [
            ("trend-accused", "DROP = 2.5", "DROP = -99.0"),
            ("jump-in-means", "np.clip(kind.returns, -usual, usual)", "kind.returns"),
            ("old-faults-count", "if is_found and first:", "if False:"),
        ],
    ),
    *slips(
        "evaluation",
        "candles/block_paths.py",
        "tests/candles/test_block_paths.py",
        [("large-moves-too", "NEAR = 0.25", "NEAR = 0.9"), ("flat-bars-too", "FLAT = 0.2", "FLAT = 2.0")],
    ),
    *slips(
        "evaluation",
        "candles/weekend_quotes.py",
        "tests/candles/test_weekend_quotes.py",
        [("weekdays-too", "is_weekend = time % WEEK >= 5 * DAY", "is_weekend = time % WEEK >= 0")],
    ),
    *slips(
        "evaluation",
        "evaluation/stresses.py",
        "tests/candles/test_caps.py tests/evaluation/test_between_bars.py",
        [
            (
                "capped-bar-itself",
                "np.concatenate([[False], is_at_cap(candles)[:-1]])",
                "is_at_cap(candles) & False",
            ),
        ],
    ),
    *slips(
        "evaluation",
        "evaluation/conditions.py",
        "tests/features/test_elsewhere.py",
        [
            ("other-candles-unnamed", 'if described.get("type") == CANDLES:', "if False:"),
        ],
    ),
    *slips(
        "evaluation",
        "evaluation/accuracy.py",
        "tests/evaluation/test_figures_by_hand.py",
        [
            (
                "block-without-squares",
                "stats.block_length(np.column_stack([y**2, squared, hit]))",
                "stats.block_length(y)",
            ),
            ("hit-counts-still", "(np.sign(y) == np.sign(f)) & (y != 0)", "(np.sign(y) == np.sign(f))"),
            (
                "drift-tested-against-naive",
                "stats.clark_west(y, f, scores[reference].forecast_change, horizon=horizon)",
                "stats.clark_west(y, f, 0 * f, horizon=horizon)",
            ),
            ("mean-test-dropped", 'nested["p_mean"] =', "_ ="),
            (
                "horizon-forgotten",
                "test(y, f, horizon=horizon).p_value for column",
                "test(y, f, horizon=1).p_value for column",
            ),
            ("coverage-open", "(low <= score.target) & (score.target <= high)", "(low <= score.target)"),
            ("mase-by-rmse", 'float(found["mae"]) / scale', 'float(found["rmse"]) / scale'),
            ("direction-for-profit", '"p_profit": stats.anatolyev_gerko}', '"p_profit": stats.pesaran_timmermann}'),
        ],
    ),
    *slips(
        "evaluation",
        "evaluation/trial_count.py",
        "tests/evaluation/test_judgement.py tests/evaluation/test_verdict.py::test_a_trial_pays_for_what_came_before_and_is_judged_alike_for_ever",
        [
            (
                "later-trials-count",
                "seen = [entry for entry in entries if entry.is_seen(batch)]\n        series",
                "seen = list(entries)\n        series",
            ),
            (
                "batch-counts-as-before",
                "before = sum(entry.batch < batch for entry in seen)",
                "before = sum(entry.batch <= batch for entry in seen)",
            ),
            ("strategies-by-forecasts", "trading = np.where(has_traded, alphas, skills)", "trading = skills"),
        ],
    ),
    *slips(
        "confirmation",
        "confirmation/confirmation.py",
        "tests/confirmation/test_confirm.py",
        [
            ("confirmed-by-the-run-alone", "self.other is not None and self.other.has_edge", "self.other is not None"),
            (
                "repeated-without-an-edge",
                "return self.own.has_edge and not self.own.outside",
                "return not self.own.outside",
            ),
            ("other-candles-are-confirmed", "and not self.own.outside ", ""),
            ("repeated-on-the-same-prices", "and not self.has_same_prices ", ""),
            ("orders-need-not-earn-elsewhere", "and self.is_crossed", ""),
            (
                "orders-need-not-grow-elsewhere",
                "grows and self.crossed.annual_return >=",
                "self.crossed.annual_return >=",
            ),
        ],
    ),
    *slips(
        "confirmation",
        "confirmation/of_study.py",
        "tests/confirmation/test_counting.py",
        [("repetitions-pay-again", "judged_as_repetition(repeated, result)", "repeated")],
    ),
    *slips(
        "confirmation",
        "confirmation/of_panel.py",
        "tests/panel/test_confirming.py",
        [("repetitions-of-panels-pay-again", "judged_as_repetition(repeated, result)", "repeated")],
    ),
    *slips(
        "confirmation",
        "confirmation/of_study.py",
        "tests/confirmation/test_confirm.py",
        [
            (
                "repeated-on-the-own-source",
                "within(other, candles.open_time[0], candles.open_time[-1])",
                "candles",
            ),
            ("a-view-is-repeated-whole", 'found.between(recipe.get("since"), recipe.get("until"))', "found"),
        ],
    ),
    *slips(
        "stats",
        "stats/inference.py",
        "tests/stats/test_inference.py",
        [
            (
                "direction-two-sided",
                "0.5 * math.erfc(statistic / math.sqrt(2.0))",
                "math.erfc(abs(statistic) / math.sqrt(2.0))",
            ),
            ("mean-test-two-sided", "float(stdtr(cosines, -statistic))", "2 * float(stdtr(cosines, -abs(statistic)))"),
            (
                "clark-west-unadjusted",
                "- ((target - forecast) ** 2 - (reference - forecast) ** 2)",
                "- (target - forecast) ** 2",
            ),
            ("profit-of-mean-position", "(position - position.mean()) * (target - target.mean())", "position * target"),
        ],
    ),
    *slips(
        "stats",
        "stats/bootstrap.py",
        "tests/stats/test_bootstrap.py",
        [
            ("blocks-uncorrected", "CIRCULAR = 1.5 ** (1 / 3)", "CIRCULAR = 1.0"),
            (
                "p-without-one",
                "least = (1 + above) / (1 + len(draws))",
                "least = above / len(draws)",
            ),
            ("undefined-draws-claim", "int(np.sum(~(draws < value)))", "int(np.sum(draws >= value))"),
            ("uncentred", "share_above(value, draws - value)", "share_above(value, draws)"),
            ("interval-one-sided", "((1.0 - level) / 2, (1.0 + level) / 2)", "((1.0 - level), level)"),
        ],
    ),
    *slips(
        "stats",
        "stats/confidence.py",
        "tests/stats/test_confidence.py",
        [
            ("kurtosis-without-three", "(g4 - 1.0) / 4.0 * s**2", "g4 / 4.0 * s**2"),
            ("skewness-turned", "1.0 - g3 * s", "1.0 + g3 * s"),
            ("best-of-trials-by-count", "_quantile(1.0 - 1.0 / (trials * math.e))", "_quantile(1.0 - 1.0 / trials)"),
        ],
    ),
    *slips(
        "stats",
        "stats/performance.py",
        "tests/stats/test_performance.py",
        [
            ("fall-from-start", "equity / np.maximum.accumulate(equity)", "equity / equity[0]"),
            (
                "sortino-of-losses",
                "downside = float(np.mean(np.minimum(returns, 0.0) ** 2))",
                "downside = float(np.var(returns))",
            ),
            ("short-records-annualised", "if observations < bars_per_year:\n        return growth - 1.0\n", ""),
        ],
    ),
    *slips(
        "stats",
        "stats/spending.py",
        "tests/stats/test_spending.py",
        [
            ("one-test-a-batch", "tests = max(after - before, 1.0)\n    within", "tests = 1.0\n    within"),
            ("nothing-spent-before", "min(before, after - 1.0), 1.0 / FIRST_SHARE", "0.0, 1.0 / FIRST_SHARE"),
        ],
    ),
    *slips(
        "stats",
        "stats/selection.py",
        "tests/stats/test_selection.py",
        [
            ("ties-win", "((after == chosen_after).sum(axis=1) + 1) / 2", "(after == chosen_after).sum(axis=1)"),
            ("any-dependence", 'method = "bh" if dependence == "positive" else "by"', 'method = "bh"'),
            ("worst-of-past", "best = before.argmax(axis=1)[:, None]", "best = before.argmin(axis=1)[:, None]"),
        ],
    ),
    *slips(
        "stats",
        "stats/density.py",
        "tests/stats/test_density.py",
        [
            (
                "crps-half",
                "return 2.0 * np.trapezoid(values, edges, axis=1)",
                "return np.trapezoid(values, edges, axis=1)",
            ),
            (
                "pinball-turned",
                "np.maximum(share * gap, (share - 1) * gap)",
                "np.maximum((1 - share) * gap, -share * gap)",
            ),
            (
                "bins-of-every-row",
                "counts = np.bincount(bins[first::horizon], minlength=len(p))",
                "counts = np.bincount(bins, minlength=len(p))",
            ),
        ],
    ),
    *slips(
        "ledger",
        "ledger/trial.py",
        "tests/ledger/test_ledger.py",
        [
            ("returns-not-named", 'digest.update((self.returns + 0.0).astype("<f4").tobytes())', "pass"),
            ("code-not-named", "json.dumps([self.content, self.code])", "json.dumps([self.content])"),
            ("forecasts-not-named", 'digest.update((self.outline.values[-1] + 0.0).astype("<f4").tobytes())', "pass"),
        ],
    ),
    *slips(
        "ledger",
        "ledger/trials.py",
        "tests/ledger/test_ledger.py",
        [
            (
                "each-its-own-batch",
                "written = [insert(connection, trial, batch) for trial in trials]",
                "written = [insert(connection, trial, batch + place) for place, trial in enumerate(trials)]",
            ),
        ],
    ),
    *slips(
        "ledger",
        "ledger/rows.py",
        "tests/ledger/test_ledger.py",
        [("times-shifted", "times=np.cumsum(steps)", "times=np.cumsum(steps[::-1])")],
    ),
    *slips(
        "ledger",
        "confirmation/counting.py",
        "tests/confirmation/test_counting.py",
        [
            ("every-source-at-the-level-of-the-run", "return not known_assets(last, between)", "return True"),
            ("later-ones-count", "and entry.number < last.number ", ""),
        ],
    ),
    *slips(
        "ledger",
        "ledger/profile.py",
        "tests/evaluation/test_verdict.py::test_trials_of_other_intervals_are_compared_on_the_longest "
        "tests/evaluation/test_verdict.py::test_copies_count_little_and_strangers_in_full tests/ledger/test_profiles.py",
        [
            (
                "buckets-by-open",
                "astype(np.int64) - 1 for each, _ in series]",
                "astype(np.int64) for each, _ in series]",
            ),
            (
                "benchmark-kept",
                "residual = returns - float(returns @ benchmark) / square * benchmark",
                "residual = returns - 0.0 * benchmark",
            ),
        ],
    ),
]
