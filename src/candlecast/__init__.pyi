"""The public names, each imported from its package when first used."""

from .audit import (
    AuditReport as AuditReport,
    ShortcutReport as ShortcutReport,
    audit as audit,
    shortcuts as shortcuts,
)
from .backtesting import (
    Actions as Actions,
    BacktestResult as BacktestResult,
    BreakEven as BreakEven,
    Costs as Costs,
    DrawdownStop as DrawdownStop,
    Filters as Filters,
    Limits as Limits,
    Order as Order,
    Orders as Orders,
    backtest as backtest,
    backtest_portfolio as backtest_portfolio,
    break_even as break_even,
    capacity as capacity,
    delayed as delayed,
    filled_at_close as filled_at_close,
    sweep as sweep,
)
from .candles import (
    CandleReport as CandleReport,
    Candles as Candles,
    Origin as Origin,
    TradingClock as TradingClock,
)
from .confirmation import (
    Confirmation as Confirmation,
    confirm as confirm,
)
from .dataset.folds import (
    CombinatorialPurged as CombinatorialPurged,
    Fold as Fold,
    Holdout as Holdout,
    PurgedKFold as PurgedKFold,
    WalkForward as WalkForward,
)
from .dataset.forecast import (
    Forecast as Forecast,
)
from .errors import (
    CandlecastError as CandlecastError,
    CandleError as CandleError,
    ConfigError as ConfigError,
    LookaheadError as LookaheadError,
    NotEnoughDataError as NotEnoughDataError,
    RunError as RunError,
    SourceError as SourceError,
    StoreError as StoreError,
)
from .evaluation.tradability import (
    Tradability as Tradability,
    tradability as tradability,
)
from .evaluation.trial_count import TrialCount as TrialCount
from .evaluation.verdict import (
    Verdict as Verdict,
)
from .events import (
    Progress as Progress,
    ProgressLines as ProgressLines,
)
from .features import (
    Feature as Feature,
    Features as Features,
    MinMax as MinMax,
    Robust as Robust,
    Standard as Standard,
    Unscaled as Unscaled,
    across as across,
    at as at,
    atr as atr,
    bollinger as bollinger,
    calendar as calendar,
    cross_rank as cross_rank,
    cross_relative as cross_relative,
    cross_zscore as cross_zscore,
    ema_ratio as ema_ratio,
    feature as feature,
    intraday_calendar as intraday_calendar,
    leverage_effect as leverage_effect,
    log_range as log_range,
    log_return as log_return,
    macd as macd,
    of as of,
    outside as outside,
    realized_volatility as realized_volatility,
    rsi as rsi,
    scaled_close as scaled_close,
    sector_mean as sector_mean,
    sector_relative as sector_relative,
    session_time as session_time,
    sma_ratio as sma_ratio,
    standard_features as standard_features,
    taker_imbalance as taker_imbalance,
    time_of_day as time_of_day,
    time_of_week as time_of_week,
    trade_size_change as trade_size_change,
    trades_change as trades_change,
    trend_strength as trend_strength,
    volume_change as volume_change,
)
from .fleet.settings import (
    Fit as Fit,
)
from .heads import (
    AbsoluteError as AbsoluteError,
    Bernoulli as Bernoulli,
    Chance as Chance,
    Gaussian as Gaussian,
    Head as Head,
    Huber as Huber,
    Labels as Labels,
    Quantiles as Quantiles,
    SquaredError as SquaredError,
    StudentT as StudentT,
)
from .ledger import (
    Ledger as Ledger,
    Trial as Trial,
)
from .live import (
    PaperEvent as PaperEvent,
    PaperSession as PaperSession,
    Reconciliation as Reconciliation,
    limited_backtest as limited_backtest,
    list_sessions as list_sessions,
    paper as paper,
    read_session as read_session,
    reconcile as reconcile,
)
from .models import (
    ARIMA as ARIMA,
    ETS as ETS,
    EWMA as EWMA,
    GARCH as GARCH,
    GRU as GRU,
    HAR as HAR,
    LSTM as LSTM,
    RNN as RNN,
    TCN as TCN,
    AttentionLSTM as AttentionLSTM,
    CalendarHAR as CalendarHAR,
    Conformal as Conformal,
    DLinear as DLinear,
    Drift as Drift,
    EncoderDecoder as EncoderDecoder,
    Keras as Keras,
    LightGBM as LightGBM,
    LinearRegression as LinearRegression,
    MinGRU as MinGRU,
    MinLSTM as MinLSTM,
    Naive as Naive,
    NLinear as NLinear,
    PatchTST as PatchTST,
    Policy as Policy,
    Pooled as Pooled,
    Ridge as Ridge,
    Search as Search,
    SeasonalNaive as SeasonalNaive,
    Sklearn as Sklearn,
    ThresholdHAR as ThresholdHAR,
    Torch as Torch,
    Transformer as Transformer,
    ZeroShot as ZeroShot,
    probe_memory as probe_memory,
)
from .panel import (
    Momentum as Momentum,
    Panel as Panel,
    PanelResult as PanelResult,
    PanelStudy as PanelStudy,
    Reversal as Reversal,
    Universe as Universe,
    fischer_krauss as fischer_krauss,
    load_panel_run as load_panel_run,
    run_panel_study as run_panel_study,
    usual_panel_features as usual_panel_features,
)
from .replay import (
    ReplayReport as ReplayReport,
    RunDifference as RunDifference,
    diff as diff,
    replay as replay,
)
from .runs import (
    list_runs as list_runs,
)
from .scan import (
    Plan as Plan,
    Scan as Scan,
    list_scans as list_scans,
    load_scan as load_scan,
    scan as scan,
)
from .signals import (
    EqualWeight as EqualWeight,
    FollowDirection as FollowDirection,
    HierarchicalRiskParity as HierarchicalRiskParity,
    HoldPosition as HoldPosition,
    InverseVolatility as InverseVolatility,
    Kelly as Kelly,
    MaximumDiversification as MaximumDiversification,
    MeanVariance as MeanVariance,
    MinimumVariance as MinimumVariance,
    NoTradeBand as NoTradeBand,
    Positions as Positions,
    QuantileSpread as QuantileSpread,
    RankWeights as RankWeights,
    RiskParity as RiskParity,
    SectorNeutral as SectorNeutral,
    Threshold as Threshold,
    TopBottom as TopBottom,
    TurnoverLimited as TurnoverLimited,
    VolatilityScaled as VolatilityScaled,
    VolatilityTarget as VolatilityTarget,
    equal_weights as equal_weights,
)
from .sources import (
    AlphaVantage as AlphaVantage,
    Binance as Binance,
    Exchange as Exchange,
    Retry as Retry,
    Source as Source,
    Yahoo as Yahoo,
    read_candles as read_candles,
    read_csv as read_csv,
    read_parquet as read_parquet,
    sample as sample,
    synthetic as synthetic,
    synthetic_panel as synthetic_panel,
)
from .sources.feed import (
    Tape as Tape,
)
from .store import (
    Store as Store,
)
from .study import (
    Study as Study,
    StudyResult as StudyResult,
)
from .study.checkpoints import run_study as run_study
from .study.comparison import (
    Comparison as Comparison,
    compare as compare,
)
from .study.loading import load_run as load_run
from .study.presets import (
    tutorial as tutorial,
)
from .targets import (
    AboveMean as AboveMean,
    AboveMedian as AboveMedian,
    BottomQuantile as BottomQuantile,
    CrossSectionRank as CrossSectionRank,
    Direction as Direction,
    ExcessReturn as ExcessReturn,
    NextReturn as NextReturn,
    Price as Price,
    RelativeReturn as RelativeReturn,
    ScaledReturn as ScaledReturn,
    Several as Several,
    TopQuantile as TopQuantile,
    TripleBarrier as TripleBarrier,
    Volatility as Volatility,
)
from .walkforward import (
    walk_forward as walk_forward,
    watch_forward as watch_forward,
)

__version__: str
__all__: list[str]
