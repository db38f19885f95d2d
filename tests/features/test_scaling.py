"""Scaling: measured on the rows given and no others, and undone exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from candlecast.errors import NotEnoughDataError
from candlecast.features import MinMax, Robust, Scaling, Standard, Unscaled, fit_scaling

SCALERS = [Standard(), Robust(), MinMax(), MinMax(-1.0, 1.0), Unscaled()]
TABLE = np.random.default_rng(0).normal(50, 3, (400, len(SCALERS)))


def test_rows_that_are_not_given_do_not_count():
    changed = TABLE.copy()
    changed[300:] = 1e9
    fitted, other = fit_scaling(SCALERS, TABLE[:300]), fit_scaling(SCALERS, changed[:300])
    assert fitted.shift.tobytes() == other.shift.tobytes()
    assert fitted.scale.tobytes() == other.scale.tobytes()
    assert fit_scaling(SCALERS, changed).shift.tobytes() != fitted.shift.tobytes()


def test_each_does_what_it_says():
    scaled = fit_scaling(SCALERS, TABLE).apply(TABLE)
    assert scaled[:, 0].mean() == pytest.approx(0, abs=1e-12)
    assert scaled[:, 0].std() == pytest.approx(1)
    low, middle, high = np.quantile(scaled[:, 1], [0.25, 0.5, 0.75])
    assert (middle, high - low) == pytest.approx((0, 1))
    assert (scaled[:, 2].min(), scaled[:, 2].max()) == pytest.approx((0, 1))
    assert (scaled[:, 3].min(), scaled[:, 3].max()) == pytest.approx((-1, 1))
    np.testing.assert_array_equal(scaled[:, 4], TABLE[:, 4])


@given(arrays(np.float64, (20, 5), elements=st.floats(-1e6, 1e6)))
def test_undo_is_the_inverse(values):
    scaling = fit_scaling(SCALERS, values)
    assert np.isfinite(scaling.apply(values)).all()
    np.testing.assert_allclose(scaling.undo(scaling.apply(values)), values, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize("constant", [0.0, 0.1, -1 / 3, 1e9])
def test_a_constant_column_is_not_blown_up(scaler, constant):
    scaling = fit_scaling([scaler], np.full((1_000, 1), constant))
    assert scaling.scale[0] == 1
    assert abs(
        scaling.apply(np.array([[constant + 1]]))[0, 0] - scaling.apply(np.array([[constant]]))[0, 0]
    ) == pytest.approx(1)


def test_undefined_values_are_left_out():
    holes = np.vstack([TABLE, np.full((10, len(SCALERS)), np.nan)])
    assert fit_scaling(SCALERS, holes).scale.tobytes() == fit_scaling(SCALERS, TABLE).scale.tobytes()
    with pytest.raises(NotEnoughDataError) as error:
        fit_scaling([Standard()], np.full((7, 1), np.nan))
    assert str(error.value) == (
        "column 0 has no finite value among 7 training rows; expected at least one. Give more candles, or remove the feature."
    )


def test_windows_are_scaled_by_column():
    scaling = fit_scaling(SCALERS, TABLE)
    batch = TABLE[:60].reshape(3, 20, 5)
    np.testing.assert_array_equal(scaling.apply(batch).reshape(60, 5), scaling.apply(TABLE[:60]))


def test_one_scaling_within_another():
    outer, inner = (
        Scaling(np.array([5.0, -2.0]), np.array([2.0, 0.5])),
        Scaling(np.array([3.0, 1.0]), np.array([4.0, 7.0])),
    )
    values = TABLE[:10, :2]
    np.testing.assert_allclose(inner.within(outer).apply(values), inner.apply(outer.apply(values)))
    np.testing.assert_allclose(inner.within(outer).undo(values), outer.undo(inner.undo(values)))
