"""What an owner makes of an actor that does not answer, by the words in which Ray says why."""

from __future__ import annotations

import pytest

from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.system.actor_pool import ActorPool, _lost
from deepunlearn_cli.system.processes import ProcessPool

DIED = "The actor died unexpectedly before finishing this task.\n\tclass_name: Actor\n\tip: 10.0.0.2\n"


@pytest.mark.parametrize(
    "why",
    [
        "The actor is dead because the actor's node was terminated unexpectedly: health check failed",
        "The actor is dead because the actor's node was terminated expectedly: received SIGTERM",
        "The actor is dead because the actor's node was preempted: spot instance",
        "The actor is dead because its node has died.",
        "Task failed because the node it was running on is dead or unavailable.",
    ],
)
def test_a_worker_that_went_with_its_node_did_not_die_of_its_run(why: str) -> None:
    assert not _lost(1, RuntimeError(DIED + why)).own


@pytest.mark.parametrize(
    "why",
    [
        "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit "
        "detail: Worker unexpectedly exits with a connection error code 2. End of file.",
        "Worker exit type: NODE_OUT_OF_MEMORY Worker exit detail: Task was killed due to the node running low "
        "on memory. Memory on the node (IP: 10.0.0.2, ID: ab) where the task was running was 30GB / 31GB.",
    ],
)
def test_a_worker_that_was_killed_where_it_ran_died_of_its_run(why: str) -> None:
    """Else a run that needs more memory than a node has would be tried on twenty of them."""
    assert _lost(1, RuntimeError(DIED + why)).own


def test_a_node_without_this_tool_is_said_so() -> None:
    with pytest.raises(Failure, match="no deepunlearn"):
        _lost(1, RuntimeError("ModuleNotFoundError: No module named 'deepunlearn_cli'"))


def test_a_hint_is_of_the_place_where_the_workers_are() -> None:
    assert "--jobs 1" in ProcessPool.without
    assert "--on here" in ActorPool.without, "a cluster has workers with --jobs 1 too"
