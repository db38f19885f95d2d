"""candlecast: train recurrent networks on market candles, walk forward, backtest after costs, and get a verdict.

    import candlecast as cc
    result = cc.Study(model=cc.LSTM(hidden=32)).run(cc.sample("sp500"), seed=0)
    print(result.verdict)

Names are imported from their packages when first used, so that importing candlecast costs nothing.
"""

from importlib.metadata import version

import lazy_loader

__version__ = version("candlecast")
_named, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    """The object of a public name, imported now; a misspelt one is answered with the nearest."""
    try:
        return _named(name)
    except AttributeError as error:
        if name.startswith("_"):
            raise
        from candlecast.errors import near_misses

        message = f"candlecast has no {name}; expected one of its public names. {near_misses(name, __all__)}"
        raise AttributeError(message, name=name) from error
