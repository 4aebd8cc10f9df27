"""The task: all that a method may see and use, and the small tools it is written with."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from deepunlearn_cli.core.errors import Failure, RunFailed, UsageFailure
from deepunlearn_cli.core.shared import Progress
from deepunlearn_cli.engine import statistics
from deepunlearn_cli.engine.cost import Cost
from deepunlearn_cli.engine.device import forward_size
from deepunlearn_cli.engine.fit import Rates, Schedule, Steps
from deepunlearn_cli.engine.graphs import Card, Given, Graphs
from deepunlearn_cli.engine.layout import Layout
from deepunlearn_cli.engine.objective import Objective
from deepunlearn_cli.engine.optimizers import SGD, Adam, rate, set_rate
from deepunlearn_cli.engine.pictures import Batch, Pictures
from deepunlearn_cli.engine.readings import Readings
from deepunlearn_cli.engine.track import Track

Reading = dict[str, float]  # figures by name, one line of a run's log
Fact = bool | float | list[str] | Reading  # about a run, beside its scores: plain data
Loss = Tensor | Iterator[Tensor]  # the terms of a sum: one's activations are freed before the next is made


class Task:
    """What there is to unlearn, on what device, with which random streams; and what it has cost so far.

    Args:
        parts: the parts of the data that the method declared (`retain`, `forget`, `val`), by name.
        device: what models, pictures and labels are on.
        stream: `stream("labels")`, a random generator (CPU) of the run's seed by its name.
        fresh: `fresh("head")`, a newly initialised model of the same architecture, from the stream of a name.
        classes, precision: how many classes the model tells apart; `fp32` or `bf16` (autocast).
    """

    def __init__(
        self,
        parts: Mapping[str, Pictures],
        *,
        device: torch.device,
        stream: Callable[[str], Generator],
        fresh: Callable[[str], nn.Module],
        classes: int,
        precision: str = "fp32",
        progress: Progress = lambda done, total, text: None,
    ) -> None:
        self.parts, self.cost = dict(parts), Cost()
        self.device, self.stream, self.fresh, self.classes = device, stream, fresh, classes
        self.facts: dict[str, Fact] = {}
        self.log: list[Reading] = []
        self.warnings: list[str] = []
        self.layout: Layout | None = None  # of the model, for who looks for its head
        self.track: Track | None = None  # of the training that made the model, for who asks for it
        self.updates: dict[str, Tensor] | None = None  # what tracked training keeps for one
        self.precision, self._progress = precision, progress
        self._epoch, self._epochs, self._started = 0, 1, time.perf_counter()
        self._readings = Readings(device)
        self.graphs = Graphs(Card(device), self.warnings.append) if device.type == "cuda" else None
        if self.graphs:
            self.facts["graphs"] = self.graphs.counts

    @property
    def retain(self) -> Pictures:
        """The pictures to keep. A part that `needs` does not name, or that is empty, is an error."""
        return self._part("retain")

    @property
    def forget(self) -> Pictures:
        """The pictures to forget; the method may see their labels, too."""
        return self._part("forget")

    @property
    def val(self) -> Pictures:
        """Validation pictures, which the model never saw in training."""
        return self._part("val")

    @property
    def train(self) -> Pictures:
        """Retain and forget pictures together, retain first."""
        return self.retain + self.forget

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Logits (B, K) in the run's precision; counted as work.

        In a batch of a few pictures BatchNorm uses its running statistics (`statistics`).
        """
        self.cost.go_forward(len(batch.y))
        if self.graphs:
            self.graphs.watch(model)
        few = statistics.of(model, len(batch.y))
        with few, torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            logits: Tensor = model(batch.x)
        return logits.float()

    def loss(self, model: nn.Module, batch: Batch, labels: Tensor | None = None) -> Tensor:
        """Mean cross-entropy of a batch against its own labels, or against `labels` (B,)."""
        return F.cross_entropy(self.forward(model, batch), batch.y if labels is None else labels)

    def towards(self, goal: Objective, model: nn.Module) -> Callable[[Batch], Tensor]:
        """A function from batches to how far a model is from an objective: the loss of plain training."""
        return lambda shown: goal(self.forward(model, shown), shown.y)

    def sgd(
        self, model: nn.Module, hyper: Rates, *, lr: float | None = None, weight_decay: float | None = None
    ) -> torch.optim.SGD:
        """SGD over all weights, with `lr`, `momentum` and `weight_decay` of `hyper` (the method, say)."""
        return SGD(
            model.parameters(),
            lr=rate(hyper.lr if lr is None else lr, self.device),
            momentum=hyper.momentum,
            weight_decay=hyper.weight_decay if weight_decay is None else weight_decay,
            fused=True,
        )

    def adam(
        self, model: nn.Module, *, lr: float, weight_decay: float, decoupled: bool = False
    ) -> torch.optim.Adam:
        """Adam over all weights; `decoupled` weight decay makes it AdamW."""
        return Adam(
            model.parameters(),
            lr=rate(lr, self.device),
            weight_decay=weight_decay,
            fused=True,
            decoupled_weight_decay=decoupled,
            capturable=self.device.type == "cuda",
        )

    def step(
        self,
        optimizer: torch.optim.Optimizer,
        loss: Callable[..., Loss],
        *given: Given,
        bend: Callable[[], None] | None = None,
    ) -> None:
        """One optimiser step down the gradient of `loss(*given)`, which `bend` may change before.

        On CUDA steps are recorded and replayed (`graphs`): there both functions are called for the first few
        steps only. What differs from step to step has to be in `given`: batches, tensors, and numbers, which
        reach `loss` as tensors. What they close over must stay, or be written in place.
        """

        def whole(*given: Given) -> None:
            self._backward(optimizer, loss(*given))
            if bend:
                bend()
            optimizer.step()

        if self.graphs:
            self.graphs.take(whole, (loss, bend), given, self.cost, optimizer)
        else:
            whole(*given)

    def launch(self, work: Callable[..., None], *given: Given) -> None:
        """`work(*given)`, which writes into tensors it closes over: on CUDA recorded as a step is."""
        if self.graphs:
            self.graphs.take(work, (work,), given, self.cost)
        else:
            work(*given)

    def gradients(self, loss: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Gradients of `loss` with respect to `weights`, for a look at them; no step follows."""
        self.cost.go_back()
        return torch.autograd.grad(loss, weights, materialize_grads=True)

    def errors(self, logits: Tensor, cotangents: Tensor, at: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Gradients of sum(logits * cotangents), both (B, K), at some activations; the graph stays."""
        self.count(backward=len(logits))
        return torch.autograd.grad(logits, at, cotangents, retain_graph=True, materialize_grads=True)

    def teach(self, model: nn.Module, batch: Batch) -> Tensor:
        """A teacher's logits (B, K): no gradient, counted as a forward pass only."""
        with torch.no_grad():
            logits = self.forward(model, batch)
        self.cost.pending -= len(batch.y)  # no backward pass follows
        return logits

    def count(self, *, forward: int = 0, backward: int = 0) -> None:
        """Add work that neither `forward` nor `step` saw, in samples; no backward pass is then pending."""
        self.cost.add(forward, backward)

    def lessons(self, teacher: nn.Module, part: Pictures) -> Callable[[Batch], Tensor]:
        """A function from batches of `part` to the teacher's logits (B, K).

        Where pictures are not augmented the teacher runs once over the part, and not again.
        """
        if part.moving:
            return lambda batch: self.teach(teacher, batch)
        passes = part.batches(forward_size(self.device), shuffle=False)
        table = torch.cat([self.teach(teacher, batch) for batch in passes])
        return lambda batch: table[batch.position]

    def note(self, **figures: Tensor | float) -> None:
        """Figures (scalars) whose means the log keeps for the present epoch; nothing waits for them."""
        for name, value in figures.items():
            self._readings.add(name, value)

    def warn(self, text: str) -> None:
        """Something that the user should know before trusting the result; kept with the run."""
        self.warnings.append(text)

    def epochs(
        self, count: int, optimizer: torch.optim.Optimizer, schedule: Schedule | None = None
    ) -> Iterator[int]:
        """Epoch numbers from 0, with the learning rate set for each and the mean loss logged after each.

        Raises:
            RunFailed: the loss of an epoch was not finite.
        """
        start = [float(group["lr"]) for group in optimizer.param_groups]
        for epoch in range(count):
            factor = schedule(epoch, count) if schedule else 1.0
            for group, lr in zip(optimizer.param_groups, start, strict=True):
                set_rate(group, lr * factor)
            self._epoch, self._epochs = epoch, count
            yield epoch
            self._close_epoch(epoch, start[0] * factor)

    def fit(
        self,
        model: nn.Module,
        part: Pictures,
        hyper: Steps,
        schedule: Schedule | None = None,
        objective: Objective = F.cross_entropy,
        optimizer: torch.optim.Optimizer | None = None,
    ) -> None:
        """Train `model` on `part`, by `sgd` unless given an optimiser: the plain loop of this project."""
        statistics.check(model, part, hyper.batch_size)
        optimizer = optimizer or self.sgd(model, hyper)
        for _ in self.epochs(hyper.epochs, optimizer, schedule):
            self.descend(optimizer, model, part, hyper.batch_size, objective)

    def descend(
        self, optimizer: torch.optim.Optimizer, model: nn.Module, part: Pictures, size: int, goal: Objective
    ) -> None:
        """One pass of steps over a part, in batches of at most `size` pictures."""
        loss = self.towards(goal, model)
        for batch in part.batches(size):
            self.step(optimizer, loss, batch)

    def kept_track(self) -> Track:
        """The track of the training that made the model.

        Raises:
            UsageFailure: it kept none.
        """
        if self.track is None:
            raise UsageFailure("this training kept no track of the forget set", "deepunlearn train --track")
        return self.track

    def pairs(self, retain_size: int, forget_size: int | None = None) -> Iterator[tuple[Batch, Batch]]:
        """One pass over retain in batches of at most so many, each with one of forget, which starts over."""
        forget = self.forget.endless(forget_size or retain_size)
        for retain in self.retain.batches(retain_size):
            yield retain, next(forget)

    def teacher(self, model: nn.Module) -> nn.Module:
        """A frozen copy of `model` in eval mode."""
        return copy.deepcopy(model).eval().requires_grad_(False)

    def refuse(self, why: str) -> Failure:
        """The failure of a method that cannot act on this architecture or data, to be raised."""
        return UsageFailure(why, "choose another method (`deepunlearn methods`) or another model")

    def tick(self, share: float) -> None:
        """Told by the data how much of a pass is done."""
        rate = self.cost.forward / (time.perf_counter() - self._started)
        text = f"epoch {self._epoch + 1}/{self._epochs}, {rate:,.0f} pictures/s"
        self._progress(self._epoch + share, self._epochs, text)

    def _backward(self, optimizer: torch.optim.Optimizer, loss: Loss) -> None:
        """New gradients of `loss`; the samples of each term are those forwarded since the one before."""
        optimizer.zero_grad(set_to_none=True)
        for number, term in enumerate([loss] if isinstance(loss, Tensor) else loss):
            term.backward()  # type: ignore[no-untyped-call]
            self.cost.go_back()
            self._readings.add("loss", term, more=number > 0)

    def _part(self, name: str) -> Pictures:
        if name not in self.parts:
            raise Failure(f"the method reads the {name} set without declaring it in `needs`")
        if not len(self.parts[name]):
            hint = "--val-share 0.15 keeps some (train the original so)" if name == "val" else "forget less"
            raise UsageFailure(f"the method reads the {name} set, which holds no picture here", hint)
        return self.parts[name]

    def _close_epoch(self, epoch: int, lr: float) -> None:
        means = self._readings.means()  # the one host sync of an epoch
        loss = means.setdefault("loss", 0.0)
        self.log.append({"epoch": epoch + 1, "loss": loss, "lr": lr} | means)
        if not math.isfinite(loss):
            raise RunFailed(f"the loss became {loss} in epoch {epoch + 1}", "try a smaller -p lr=...")
