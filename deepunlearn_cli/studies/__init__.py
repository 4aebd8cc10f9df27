"""Several runs with one purpose: plans and their bench, audits, U-LiRA's models, weight distances, studies.

The built-in plans (`*.toml`) lie here.

May import: `core`, `system`, `store`, `data`, `models`, `evaluation`, `engine`, `methods`, `attacks`,
`library`, `execution`, `checkpoints`, `sweep`, `reporting`.
"""
