"""tmp"""


class Stock: ...


class YahooWorld: ...
