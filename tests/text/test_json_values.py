"""Values for JSON."""

import json
import math
from datetime import datetime

import numpy as np

from candlecast.evaluation.conditions import Conditions
from candlecast.evaluation.stresses import Stresses
from candlecast.text.json_values import json_values


def test_numbers_of_numpy_become_those_of_python_at_any_depth():
    given = {
        "yes": np.bool_(True),
        "whole": np.int64(3),
        "share": np.float32(0.5),
        "none": np.float64("nan"),
        "endless": -math.inf,
        "moment": datetime(2024, 1, 2, 3),
        "inner": {"values": (np.float64(1.5), math.nan, None, "x")},
    }
    made = json_values(given)
    assert made == json.loads(json.dumps(made))
    assert made == {
        "yes": True,
        "whole": 3,
        "share": 0.5,
        "none": None,
        "endless": None,
        "moment": "2024-01-02T03:00:00",
        "inner": {"values": [1.5, None, None, "x"]},
    }


def test_the_conditions_of_a_verdict_are_json_whatever_computed_them():
    held = Conditions(
        break_even_bps=np.float64(3.5), stresses=Stresses(carry_percent=np.float64(17.2), is_in_units=np.bool_(False))
    )
    values = json.loads(json.dumps(held.to_dict()))
    assert values["break_even_bps"] == 3.5
    assert values["stresses"]["carry_percent"] == 17.2
    assert values["stresses"]["is_in_units"] is False
