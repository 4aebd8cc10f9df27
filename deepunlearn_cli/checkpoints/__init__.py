"""Checkpoint files, what a REF stands for, and weights from elsewhere.

May import: `core`, `system`, `store`, `data`, `models`, `evaluation`, `engine`, `methods`, `attacks`,
`library`, `execution`.
"""
