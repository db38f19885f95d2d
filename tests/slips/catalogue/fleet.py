"""Slips in training: fleet, nets and heads."""

from __future__ import annotations

from ..slip import slips

SLIPS = [
    *slips(
        "fleet",
        "fleet/linear_part.py",
        "tests/fleet/test_linear_part.py",
        [
            ("nothing-shrunk", "* max(0.0, 1.0 - doubt / t_square)", "* 1.0"),
            ("slope-unbounded", "min(product / square, 1.0)", "product / square"),
            ("level-of-the-mean", "level = naive + gap * max(0.0, 1.0 - error / gap**2) if gap else naive", "pass"),
            ("regression-unshrunk", "weights = share * torch", "weights = torch"),
        ],
    ),
    *slips(
        "fleet",
        "fleet/fitted.py",
        "tests/fleet/test_linear_part.py",
        [
            ("added-twice", "found[:, ::width] += (self.kept - 1.0)", "found[:, ::width] += self.kept"),
            ("chance-added-twice", "else moved) + (self.kept - 1.0)", "else moved) + self.kept"),
            ("level-counted-twice", "None if linear is None else linear - self.spec.level", "linear"),
            ("linear-left-out", "self.outcomes.scale * moved", "0.0 * moved"),
        ],
    ),
    *slips(
        "fleet",
        "fleet/refitting.py",
        "tests/fleet/test_refitting.py",
        [
            ("outcome-early", "past = rows - samples.horizon", "past = rows - samples.horizon + 1"),
            ("never-fitted", "(row - self.first) % self.bars == 0", "row == self.first"),
            ("nothing-fades", "0.5 ** (times / len(self.learnt))", "1.0"),
            ("fast-alone-fades", "FADING = (16.0, 4.0)", "FADING = (16.0, 16.0)"),
            ("gap-learnt", "usable[usable] = samples.is_known[past[usable]]", "pass"),
            ("slow-of-all-columns", "if len(own) else", "if not len(own) else"),
        ],
    ),
    *slips(
        "fleet",
        "fleet/sums.py",
        "tests/fleet/test_refitting.py",
        [
            ("share-left-out", "found[1 + i] = share * right[i]", "found[1 + i] = right[i]"),
            ("penalty-of-one-row", "about[i, i] += penalty * rows", "about[i, i] += penalty"),
            ("outcome-of-another-target", "y = len(sums) - target", "y = len(sums) - 1"),
        ],
    ),
    *slips(
        "fleet",
        "fleet/optimizer.py",
        "tests/fleet/test_steps_by_hand.py",
        [
            ("clip-enlarges", "one if length <= clip else np.float32(clip / length)", "np.float32(clip / length)"),
            ("clip-never", "if clip < np.inf", "if clip < 0"),
            ("no-bias-correction", "lr / (1 - BETA1**steps)", "lr / (1 - BETA1**(steps + 1_000))"),
            ("decay-by-gradient", "1 - lr * self.weight_decay", "1 + lr * self.weight_decay"),
            ("squares-of-the-first", "mean.lerp_(gradient, 1 - BETA1)", "mean.lerp_(gradient, BETA1)"),
            (
                "moments-of-others",
                "return AdamState(state.mean[models], state.square[models], state.steps[models])",
                "return AdamState(state.mean[models], state.square[models], state.steps[: len(models)])",
            ),
        ],
    ),
    *slips(
        "fleet",
        "fleet/settings.py",
        "tests/fleet/test_steps_by_hand.py",
        [
            ("chunk-whatever-the-batch", "STEPS * self.batch * chunk", "STEPS * 16 * chunk"),
            ("chunk-never-longer", "rows <= STEPS", "rows >= STEPS"),
            ("shortest-as-longest", "CHUNKS[-1] if self.chunk is None", "CHUNKS[0] if self.chunk is None"),
        ],
    ),
    *slips(
        "dataset",
        "dataset/forecast.py",
        "tests/dataset/test_forecast.py",
        [
            ("not-sorted", "frame if is_sorted else frame.sort(ORDER)", "frame"),
            ("seeds-of-other-bars", 'part["time"].equals(times) for part', "True for part"),
            ("bars-twice-in-parts", "is_regular or (times == times.shift()).any()", "is_regular"),
            ("several-folds-single", "return not self.frame.select(same.any()).item()", "return True"),
        ],
    ),
    *slips(
        "fleet",
        "fleet/job_progress.py",
        "tests/fleet/test_steps_by_hand.py",
        [
            (
                "cosine-per-epoch",
                "done = (len(progress.losses) + progress.position / len(progress.batches)) / fit.epochs",
                "done = len(progress.losses) / fit.epochs",
            ),
            (
                "cosine-doubled",
                "fit.lr * 0.5 * (1 + math.cos(math.pi * done))",
                "fit.lr * (1 + math.cos(math.pi * done))",
            ),
            (
                "patience-one-more",
                "len(losses) - best_epoch >= (fit.patience or 0)",
                "len(losses) - best_epoch > (fit.patience or 0)",
            ),
            ("best-is-last", "is_best = not is_watched or validation < progress.best_loss", "is_best = True"),
            ("best-is-worst", "validation < progress.best_loss", "validation > progress.best_loss"),
            ("loss-summed", "(progress.total / len(progress.batches), validation)", "(progress.total, validation)"),
        ],
    ),
    *slips(
        "fleet",
        "fleet/trainer.py",
        "tests/fleet/test_steps_by_hand.py",
        [
            ("keys-do-not-move", "state.seeds + state.steps * 0x9E3779B1", "state.seeds"),
            (
                "last-weights",
                "weights = _weights(fleet, state, place) if epoch.is_best else learnt[job].weights",
                "weights = _weights(fleet, state, place)",
            ),
            ("infinite-losses-pass", "if not all(map(math.isfinite, losses)):", "if any(map(math.isnan, losses)):"),
        ],
    ),
    *slips(
        "fleet",
        "fleet/batching.py",
        "tests/fleet/test_steps_by_hand.py",
        [
            (
                "inputs-scaled-on-validation",
                "job.fold.train.of_all(samples.inputs)",
                "job.fold.fit.of_all(samples.inputs)",
            ),
            ("outcomes-scaled-on-validation", "samples.y[job.train_rows]", "samples.y[job.fit_rows]"),
            ("inputs-scaled-on-all", "job.fold.train.of_all(samples.inputs)", "samples.inputs"),
            ("padding-counts", "slot.weight[len(ends) :] = 0.0", "pass"),
            ("no-shuffle", "ends = self._generator.permutation(", "ends = np.asarray("),
            (
                "validation-of-training",
                "return self._ends(self.valid.rows, self._fold.valid, 0)",
                "return self._ends(self.train.rows, self._fold.train, 0)",
            ),
        ],
    ),
    *slips(
        "fleet",
        "fleet/losses.py",
        "tests/fleet/test_steps_by_hand.py",
        [
            (
                "mean-over-all",
                "count = share.sum((-2, -1)).clamp(min=MIN_WEIGHT)",
                "count = torch.ones_like(share).sum((-2, -1))",
            )
        ],
    ),
    *slips(
        "nets",
        "nets/layers/lstm.py",
        "tests/nets/test_cells_by_hand.py",
        [
            ("forget-gate-closed", "bias[hidden : 2 * hidden] = 1.0", "bias[: hidden] = 1.0"),
            ("step-gates-swapped", "c = f * c + i * g", "c = i * c + f * g"),
        ],
    ),
    *slips(
        "nets",
        "nets/layers/gru.py",
        "tests/nets/test_cells_by_hand.py",
        [("update-turned", "h = n + z * (h - n)", "h = h + z * (n - h)")],
    ),
    *slips(
        "nets",
        "nets/layers/dropout.py",
        "tests/nets/test_dropout.py",
        [("drops-when-forecasting", "if not self.training or self.p == 0:", "if self.p == 0:")],
    ),
    *slips(
        "nets",
        "nets/layers/recurrent.py",
        "tests/nets/test_cells_by_hand.py",
        [
            (
                "dropout-outside-training",
                'return cast("Dropout", self.dropouts[0]).p if self.training else 0.0',
                'return cast("Dropout", self.dropouts[0]).p',
            ),
            (
                "residual-left-out",
                "x = x + h if depth and self.residual else h\n            ends",
                "x = h\n            ends",
            ),
        ],
    ),
    *slips(
        "nets",
        "nets/layers/causal.py",
        "tests/nets/test_cells_by_hand.py",
        [("memory-one-short", "before = self.reach - 1", "before = self.reach - 2")],
    ),
    *slips(
        "nets",
        "nets/layers/norm.py",
        "tests/nets/test_cells_by_hand.py",
        [("step-without-gain", "+ np.float32(EPSILON)) * gain + bias", "+ np.float32(EPSILON)) + bias")],
    ),
    *slips(
        "heads",
        "heads/normal.py",
        "tests/heads/test_heads.py::test_normal_and_student_are_log_densities_up_to_a_constant tests/heads/test_heads.py::test_what_normal_and_student_say_is_in_the_targets_units tests/heads/test_heads.py::test_slopes_are_the_derivatives_of_the_terms",
        [
            (
                "sigma-unscaled",
                "scale * (softplus(outputs[:, 1]) + MIN_SPREAD)",
                "(softplus(outputs[:, 1]) + MIN_SPREAD)",
            ),
            ("density-without-spread", "return spread.log() + 0.5 * z.square()", "return 0.5 * z.square()"),
            ("student-width", "math.sqrt(self.freedom / (self.freedom - 2))", "1.0"),
        ],
    ),
    *slips(
        "heads",
        "heads/quantiles.py",
        "tests/heads/test_heads.py::test_quantiles_are_charged_by_pinball tests/heads/test_heads.py::test_quantiles_never_cross tests/heads/test_heads.py::test_slopes_are_the_derivatives_of_the_terms",
        [
            (
                "pinball-turned",
                "torch.maximum(share * gap, (share - 1) * gap)",
                "torch.maximum((1 - share) * gap, -share * gap)",
            )
        ],
    ),
    *slips(
        "heads",
        "heads/classes.py",
        "tests/heads/test_heads.py",
        [
            (
                "balanced-by-all",
                "np.unique(outcomes[train_rows], return_counts=True)",
                "np.unique(outcomes, return_counts=True)",
            ),
            ("labels-turned", '{"mean": up - down,', '{"mean": down - up,'),
            ("chance-not-moved", "p = sigmoid(outputs[:, 0]) + shift", "p = sigmoid(outputs[:, 0])"),
        ],
    ),
]
