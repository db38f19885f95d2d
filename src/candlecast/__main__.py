"""`python -m candlecast`."""

from candlecast.cli import main

main()
