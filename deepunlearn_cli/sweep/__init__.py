"""Sweeps: a method's hyperparameters, tuned against the retrained model. The only room that sees Optuna.

May import: `core`, `system`, `store`, `data`, `models`, `evaluation`, `engine`, `methods`, `attacks`,
`library`, `execution`, `checkpoints`.
"""

from deepunlearn_cli.sweep.space import SAMPLERS, check_sampler
from deepunlearn_cli.sweep.study import StudyProgress
from deepunlearn_cli.sweep.summary import summaries
from deepunlearn_cli.sweep.tuning import (
    Search,
    TunedMethod,
    conclude,
    is_tunable,
    questions,
    references,
    tunable,
)
from deepunlearn_cli.sweep.workers import Order, search

__all__ = [
    "SAMPLERS", "Order", "Search", "StudyProgress", "TunedMethod",
    "check_sampler", "conclude", "is_tunable", "questions", "references", "search", "summaries", "tunable",
]  # fmt: skip
