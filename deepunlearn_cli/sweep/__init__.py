"""Sweeps: a method's hyperparameters, tuned against the retrained model. The only room that sees Optuna.

May import: `core`, `system`, `store`, `data`, `models`, `evaluation`, `engine`, `methods`, `attacks`,
`library`, `execution`, `checkpoints`.
"""

from deepunlearn_cli.sweep.choice import FRESH_SEEDS
from deepunlearn_cli.sweep.forecast import Foreseen, draws, foresee, points
from deepunlearn_cli.sweep.order import Order
from deepunlearn_cli.sweep.ranges import by_hand
from deepunlearn_cli.sweep.space import SAMPLERS, check_early_stop, check_sampler, read_objective
from deepunlearn_cli.sweep.storage import check_address, file_of
from deepunlearn_cli.sweep.study import StudyProgress
from deepunlearn_cli.sweep.summary import summaries
from deepunlearn_cli.sweep.tuning import (
    Search,
    TunedMethod,
    check_sizes,
    conclude,
    is_tunable,
    make_models,
    questions,
    references,
    tunable,
    unmeasured,
)
from deepunlearn_cli.sweep.workers import search

__all__ = [
    "FRESH_SEEDS", "SAMPLERS", "Foreseen", "Order", "Search", "StudyProgress", "TunedMethod", "by_hand",
    "check_address", "check_early_stop", "check_sampler", "check_sizes", "conclude", "draws",
    "file_of", "foresee", "is_tunable", "make_models", "points", "questions", "read_objective", "references",
    "search", "summaries", "tunable", "unmeasured",
]  # fmt: skip
