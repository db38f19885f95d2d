"""Mutation checks by hand: small faults in the source, each with the tests that must fail because of it.

    python -m tests.slips                  all of them; takes a while
    python -m tests.slips evaluation cli   those whose names begin so
    python -m tests.slips --list           names only

This is a tool for development and no part of the test suite.
"""
