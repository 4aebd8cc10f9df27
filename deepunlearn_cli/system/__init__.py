"""The machine: its cores, threads and memory, locks that die with their owner, worker processes.

May import: `core`.
"""
