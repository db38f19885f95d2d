"""Models that train in milliseconds: what every net is compared with."""
