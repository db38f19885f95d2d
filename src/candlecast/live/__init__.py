"""Paper trading: feed -> streaming features -> fitted nets -> rule -> account, one closed bar at a time."""
