"""One step of the account, of orders and of portfolios, compiled; every kind of backtest runs on it."""
