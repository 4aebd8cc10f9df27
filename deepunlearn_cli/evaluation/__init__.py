"""Pure functions on arrays: metrics, intervals, verdicts, what a removed class is called now, saved scores.

May import: `core`.
"""
