"""The public names, each imported from its room when first used."""

from .backtesting import (
    BacktestResult as BacktestResult,
)
from .backtesting import (
    Costs as Costs,
)
from .backtesting import (
    backtest as backtest,
)
from .candles import (
    CandleReport as CandleReport,
)
from .candles import (
    Candles as Candles,
)
from .errors import (
    CandlecastError as CandlecastError,
)
from .errors import (
    CandleError as CandleError,
)
from .errors import (
    ConfigError as ConfigError,
)
from .errors import (
    LookaheadError as LookaheadError,
)
from .errors import (
    NotEnoughDataError as NotEnoughDataError,
)
from .errors import (
    RunError as RunError,
)
from .errors import (
    SourceError as SourceError,
)
from .events import (
    Progress as Progress,
)
from .features import (
    Feature as Feature,
)
from .features import (
    Features as Features,
)
from .features import (
    MinMax as MinMax,
)
from .features import (
    Robust as Robust,
)
from .features import (
    Standard as Standard,
)
from .features import (
    Unscaled as Unscaled,
)
from .features import (
    atr as atr,
)
from .features import (
    bollinger as bollinger,
)
from .features import (
    ema_ratio as ema_ratio,
)
from .features import (
    feature as feature,
)
from .features import (
    log_range as log_range,
)
from .features import (
    log_return as log_return,
)
from .features import (
    macd as macd,
)
from .features import (
    realized_volatility as realized_volatility,
)
from .features import (
    rsi as rsi,
)
from .features import (
    scaled_close as scaled_close,
)
from .features import (
    sma_ratio as sma_ratio,
)
from .features import (
    standard_features as standard_features,
)
from .features import (
    time_of_day as time_of_day,
)
from .features import (
    time_of_week as time_of_week,
)
from .features import (
    volume_change as volume_change,
)
from .fleet.settings import (
    Fit as Fit,
)
from .folds import (
    Fold as Fold,
)
from .folds import (
    Holdout as Holdout,
)
from .folds import (
    WalkForward as WalkForward,
)
from .forecast import (
    Forecast as Forecast,
)
from .models import (
    GRU as GRU,
)
from .models import (
    LSTM as LSTM,
)
from .models import (
    RNN as RNN,
)
from .models import (
    Drift as Drift,
)
from .models import (
    LinearRegression as LinearRegression,
)
from .models import (
    Naive as Naive,
)
from .models import (
    Torch as Torch,
)
from .presets import (
    tutorial as tutorial,
)
from .runs import (
    list_runs as list_runs,
)
from .runs import (
    load_run as load_run,
)
from .signals import (
    FollowDirection as FollowDirection,
)
from .signals import (
    InverseVolatility as InverseVolatility,
)
from .signals import (
    Positions as Positions,
)
from .signals import (
    Threshold as Threshold,
)
from .sources import (
    read_csv as read_csv,
)
from .sources import (
    read_parquet as read_parquet,
)
from .sources import (
    sample as sample,
)
from .sources import (
    synthetic as synthetic,
)
from .study import (
    Study as Study,
)
from .study import (
    StudyResult as StudyResult,
)
from .targets import (
    Direction as Direction,
)
from .targets import (
    NextReturn as NextReturn,
)
from .targets import (
    Price as Price,
)
from .targets import (
    Volatility as Volatility,
)
from .verdict import (
    Verdict as Verdict,
)
from .walk import (
    walk_forward as walk_forward,
)
from .walk import (
    watch_forward as watch_forward,
)

__version__: str
__all__: list[str]
