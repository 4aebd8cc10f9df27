"""The machine and the cluster: cores, threads, memory, locks that die with their owner, workers.

May import: `core`.
"""
