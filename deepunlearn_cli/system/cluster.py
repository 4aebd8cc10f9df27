"""A Ray cluster: found, looked at, left. Ray itself is loaded when one is asked for, and not before."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import current_thread, main_thread
from typing import Any

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.system.signals import SIGNALS

INSTALL = "pip install 'deepunlearn[ray]'"
START = "`ray start --head` starts one here; --on ray:HOST:PORT names one elsewhere"
STEP = 0.0001  # of a card: Ray counts no finer
PULSE = 2.0  # seconds between looks at the head
MISSED = 4  # looks in a row that nobody answers before the cluster is taken for gone
ANSWERS = 5.0  # seconds in which a head that is there takes a connection


@dataclass(frozen=True)
class Cluster:
    """Where work is sent, and what each worker is given there.

    Attributes:
        address: as `ray.init` takes it.
        cpus: for each worker; so many threads it has.
        gpus: share of a card for each worker; None for a whole one wherever there are cards.
    """

    address: str = "auto"
    cpus: int = 1
    gpus: float | None = None

    def resources(self, device: str) -> dict[str, float]:
        """What Ray keeps free for a worker; connected only."""
        gpus = self.gpus
        if gpus is None:
            gpus = float(device != "cpu" and any(_of(node, "GPU") for node in nodes()))
        return {"CPU": float(self.cpus), "GPU": gpus}

    def slots(self, device: str) -> dict[str, int]:
        """How many workers each node has room for, by the node's id; connected only."""
        wanted = {name: amount for name, amount in self.resources(device).items() if amount}
        return {
            node["NodeID"]: min(int(_of(node, name) / amount + STEP) for name, amount in wanted.items())
            for node in nodes()
        }


def read(on: str | None, cpus: int, share: float | None) -> Cluster | None:
    """`ray` or `ray:ADDRESS` as a cluster; None for this machine.

    Raises:
        UsageFailure: anything else; a share of a card that there is not.
    """
    if on is None or on in ("", "here"):
        if share is not None or cpus != 1:
            raise UsageFailure("--gpu-share and --cpus-per-job are for --on ray", "--on ray --gpu-share 0.25")
        return None
    engine, colon, address = on.partition(":")
    if engine != "ray" or (colon and not address):
        raise UsageFailure(f"--on {on} is no place to work", "--on ray, or --on ray:HOST:PORT")
    if share is not None and not _is_share(share):
        raise UsageFailure(
            f"--gpu-share {share:g} is neither a share of a card nor whole cards", "--gpu-share 0.25"
        )
    return Cluster(address or "auto", cpus, share)


def _is_share(share: float) -> bool:
    return share == 0 or STEP <= share <= 1 or (share > 1 and share == int(share))


@contextmanager
def connected(cluster: Cluster) -> Iterator[None]:
    """Be a driver of the cluster until the block ends; what works for it there then ends too.

    Raises:
        NotFound: Ray is not installed, or there is no cluster at that address.
    """
    ray = _loaded()
    if not is_there(_listener(cluster.address), ANSWERS):
        raise _nobody(cluster)
    _hush(ray)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        ray.init(
            address=cluster.address, namespace="deepunlearn", log_to_driver=False, logging_level="critical"
        )
    except Exception as error:  # noqa: BLE001 - Ray raises what its parts raise
        ray.shutdown()
        raise _refused(cluster, error) from None
    finally:
        if current_thread() is main_thread():
            for number, handler in handlers.items():  # Ray has put its own there
                signal.signal(number, handler)
    try:
        yield
    finally:
        ray.shutdown()


def nodes() -> list[Mapping[str, Any]]:
    """The nodes that are alive."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def describe(cluster: Cluster, device: str) -> str:
    """What a cluster has room for, in words."""
    slots, gpus = cluster.slots(device), cluster.resources(device)["GPU"]
    count, places = sum(slots.values()), sum(map(bool, slots.values()))
    each = f"{cluster.cpus} CPU{'s' * (cluster.cpus > 1)}" + (f" and {gpus:g} of a GPU" if gpus else "")
    some = f"{count} slot{'s' * (count != 1)} on {places} node{'s' * (places != 1)}"
    return f"Ray: {some}, {each} each"


def _of(node: Mapping[str, Any], resource: str) -> float:
    return float(node["Resources"].get(resource, 0.0))


def _loaded() -> Any:
    try:
        import ray
    except ImportError:
        raise NotFound("--on ray needs Ray, which is not installed", INSTALL) from None
    return ray


def _hush(ray: Any) -> None:
    """Keep Ray from printing on stdout what befell its workers: that is for data, and losses are told."""
    parts = vars(ray._private.worker)
    if "print_to_stdstream" in parts:
        parts["print_to_stdstream"] = lambda *said, **how: None


def _listener(address: str) -> tuple[str, int] | None:
    """Host and port of an address; None where Ray itself looks for them."""
    host, _, port = address.rpartition(":")
    return (host.strip("[]"), int(port)) if host and "/" not in host and port.isdecimal() else None


def _nobody(cluster: Cluster) -> Failure:
    where = "here" if cluster.address == "auto" else f"at {cluster.address}"
    return NotFound(f"no Ray cluster answers {where}", START)


def _refused(cluster: Cluster, error: Exception) -> Failure:
    text = " ".join(str(error).split())
    if isinstance(error, ConnectionError) or "Could not find any running Ray instance" in text:
        return _nobody(cluster)
    if "uthenticat" in text or "token" in text:
        return UsageFailure(
            f"the Ray cluster at {cluster.address} did not take this machine's token: {text[:200]}",
            "deepunlearn guide several-machines",
        )
    return NotFound(f"the Ray cluster at {cluster.address} cannot be used: {text[:300]}", START)


def is_there(address: tuple[str, int] | None, seconds: float) -> bool:
    """Whether somebody listens there; so it is taken where there is no address."""
    import socket

    if address is None:
        return True
    with suppress(OSError), socket.create_connection(address, seconds):
        return True
    return False


class Pulse:
    """Whether the head of the cluster answers."""

    def __init__(self) -> None:
        import ray

        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        self._address, self._next, self._missed = (host, int(port)), 0.0, 0

    @property
    def beats(self) -> bool:
        """Whether it did when last looked at."""
        return self._missed == 0

    def feel(self) -> None:
        """Look again, now and then.

        Raises:
            Failure: it was silent for too long.
        """
        if time.monotonic() < self._next:
            return
        self._missed = 0 if is_there(self._address, PULSE) else self._missed + 1
        self._next = time.monotonic() + PULSE
        if self._missed >= MISSED:
            raise Failure(
                f"the Ray cluster is gone: nobody answers at {self._address[0]}:{self._address[1]}",
                "the same command goes on when it is back; --on here goes on without it",
            )
