"""tmp"""


class VantageWorld: ...
