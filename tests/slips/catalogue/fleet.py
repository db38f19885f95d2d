"""Slips in training: fleet, nets and heads."""

from __future__ import annotations

from ..slip import slips

SLIPS = [
    *slips(
        "fleet",
        "fleet/optimizer.py",
        "tests/fleet/test_steps_by_hand.py",
        [
            ("clip-enlarges", "clip / np.maximum(norms(gradient), clip)", "clip / norms(gradient)"),
            (
                "clip-never",
                "np.ones_like(lr) if clip is None else clip / np.maximum(norms(gradient), clip)",
                "np.ones_like(lr)",
            ),
            (
                "no-bias-correction",
                "size, root = lr / (1 - BETA1**state.steps)",
                "size, root = lr / (1 - BETA1**(state.steps + 1_000))",
            ),
            ("decay-by-gradient", "1 - lr * weight_decay)]", "1 + lr * weight_decay)]"),
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
        "fleet/job_progress.py",
        "tests/fleet/test_steps_by_hand.py",
        [
            (
                "cosine-per-epoch",
                "done = (self.epoch + self.position / len(self.batches)) / self.fit.epochs",
                "done = self.epoch / self.fit.epochs",
            ),
            (
                "cosine-doubled",
                "self.fit.lr * 0.5 * (1 + math.cos(math.pi * done))",
                "self.fit.lr * (1 + math.cos(math.pi * done))",
            ),
            (
                "patience-one-more",
                "self.epoch - self.best_epoch >= (self.fit.patience or 0)",
                "self.epoch - self.best_epoch > (self.fit.patience or 0)",
            ),
            ("best-is-last", "is_best = not watches or validation < self.best_loss", "is_best = True"),
            ("best-is-worst", "validation < self.best_loss", "validation > self.best_loss"),
            (
                "loss-summed",
                "self.losses.append((self.total / len(self.batches), validation))",
                "self.losses.append((self.total, validation))",
            ),
        ],
    ),
    *slips(
        "fleet",
        "fleet/trainer.py",
        "tests/fleet/test_steps_by_hand.py",
        [
            (
                "inputs-scaled-on-validation",
                "samples.inputs[job.fold.train.array]",
                "samples.inputs[job.fold.fit.array]",
            ),
            ("outcomes-scaled-on-validation", "samples.lessons[job.train_rows]", "samples.lessons[job.fit_rows]"),
            ("inputs-scaled-on-all", "samples.inputs[job.fold.train.array]", "samples.inputs"),
            ("keys-do-not-move", "self.keys + self.steps * 0x9E3779B1", "self.keys"),
            ("last-weights", "if is_best:\n                self.best", "if True:\n                self.best"),
            ("infinite-losses-pass", "if not math.isfinite(loss):\n            raise", "if False:\n            raise"),
        ],
    ),
    *slips(
        "fleet",
        "fleet/batching.py",
        "tests/fleet/test_steps_by_hand.py",
        [
            ("padding-counts", "weight[len(ends) :] = 0.0", "pass"),
            ("no-shuffle", "ends = self._generator.permutation(", "ends = np.asarray("),
            (
                "validation-of-training",
                "return self._ends(self._valid_rows, self._fold.valid, 0)",
                "return self._ends(self._train_rows, self._fold.train, 0)",
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
                "count = share.sum((-2, -1)).clamp(min=MINIMUM)",
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
            ("sigma-unscaled", "scale * (softplus(outputs[:, 1]) + MINIMUM)", "(softplus(outputs[:, 1]) + MINIMUM)"),
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
            ("labels-turned", "Prediction(chances @ np.array(LABELS)", "Prediction(-chances @ np.array(LABELS)"),
            ("chance-not-moved", "np.clip(sigmoid(outputs[:, 0]) + shift, 0.0, 1.0)", "sigmoid(outputs[:, 0])"),
        ],
    ),
]
