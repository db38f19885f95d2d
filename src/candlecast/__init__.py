"""candlecast: train recurrent networks on market candles, walk forward, backtest after costs, and get a verdict.

    import candlecast as cc
    result = cc.Study(model=cc.LSTM(hidden=32)).run(cc.sample("sp500"), seed=0)
    print(result.verdict)

Names are imported from their packages when first used, so that importing candlecast costs nothing.
"""

from importlib.metadata import version

import lazy_loader

__version__ = version("candlecast")
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
