"""A loopback server that answers as Binance, its dumps, Yahoo and Alpha Vantage do, with the faults that they have."""

from servers.binance import BinanceWorld, Listing
from servers.server import PORTAL, Answer, Fault, Server, market_server
from servers.vantage import VantageWorld
from servers.yahoo import Stock, YahooWorld

__all__ = [
    "PORTAL",
    "Answer",
    "BinanceWorld",
    "Fault",
    "Listing",
    "Server",
    "Stock",
    "VantageWorld",
    "YahooWorld",
    "market_server",
]
