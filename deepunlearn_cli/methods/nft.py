"""NFT: noisy fine-tuning, whose forgetting is proved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.core.fields import choice, real, whole
from deepunlearn_cli.core.guarantee import Guarantee, NoisyDescent
from deepunlearn_cli.methods._method import Method, Sizes, batch, decay, inertia, passes, per_step, rate

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.engine.pictures import Batch
    from deepunlearn_cli.engine.task import Task

INIT, ZERO = "init", "zero"  # the ball's centre
COVERS = ("every weight that learns", "running statistics and other buffers, which start anew")
FROZEN = "frozen weights, which stay as they came and must never have learnt from forgotten pictures"
LEAVES_OPEN = (
    "whoever knows the seed can draw the noise again and take it away: keep seeds secret",
    "two runs together tell more than each, and of one seed they share the noise: give out one",
    "hyperparameters and models that were chosen by looking at the forgotten pictures",
    "pixel means and deviations taken from all training pictures, the classes, the architecture",
    "what retained pictures tell of forgotten ones: near-duplicates, say",
    FROZEN,
    "noise of a pseudorandom generator in the precision of the weights",
)


@dataclass(frozen=True)
class NoisyFineTuning(Method):
    """Pull the weights into a small ball, take noisy steps of bounded length on retain, then train as usual.

    1. Scale w - c, all weights less the ball's centre, to a norm of at most `weight_clip`. 2. `steps` times
    w <- w - shrink (w - c) - noise_lr g + N(0, sigma^2), with g a retain batch's gradient, scaled down to
    `gradient_clip` at most. 3. Running statistics start anew, and plain training on retain repairs the rest.

    It proves (epsilon, delta)-unlearning of the whole forget set: sigma is the least that these two take,
    exactly (`core/guarantee.py` has the proof). It is `epsilon` that is asked for, not the noise: what is
    promised must not follow from what happened to work, so no sweep touches it. Step 3 reads nothing but
    retain and the noisy weights, so it costs no epsilon. Neither network nor loss has to be of any kind.

    The paper's ball is around 0, where little noise leaves weights too small to learn again; ours is around
    new weights (the proof takes any centre that no picture had a part in). `shrink` is its lambda times
    `noise_lr`. Its authors' networks have no running statistics.

    The noise at the end is sqrt(number of weights) / mu times as long as the ball is wide; for delta = 1e-5
    mu is 0.27 at epsilon = 1 and 4.7 at 30. Of a network with 100,000 weights nothing is left unless epsilon
    is tens of thousands: what is proved is that training began anew, and it costs what that costs.
    """

    title = "NFT"
    paper = "Koloskova et al. 2025, arXiv 2506.06985"
    aliases = ("noisy-fine-tuning",)
    epsilon: float = real(1.0, 1e-3, 1e12, log=True, help="of the guarantee: the noise follows", search=False)
    delta: float = real(1e-5, 1e-12, 0.5, log=True, help="of the guarantee", search=False)
    centre: str = choice(INIT, (INIT, ZERO), help="of the ball: new weights, or the paper's 0")
    weight_clip: float = real(1e-3, 1e-5, 1e3, log=True, help="radius of the ball: of all weights together")
    gradient_clip: float = real(1.0, 1e-4, 1e3, log=True, help="largest norm of a gradient in a noisy step")
    steps: int = whole(10, 1, 1000, help="noisy steps")
    noise_lr: float = real(1e-4, 1e-6, 1.0, log=True, help="learning rate of noisy steps")
    shrink: float = real(0.0, 0.0, 0.9, help="share of the way to the centre that a noisy step takes")
    epochs: int = passes(10)
    lr: float = rate(0.05, "of the repair")
    momentum: float = inertia(0.9)
    weight_decay: float = decay(5e-4)
    batch_size: int = batch(128)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """Clip, noisy steps, new statistics, repair."""
        from deepunlearn_cli.engine.fit import cosine
        from deepunlearn_cli.engine.frozen import holds

        if any(map(holds, model.modules())):
            task.warn(f"the guarantee does not cover {FROZEN}")
        task.warn(f"the guarantee (epsilon={self.epsilon:g}) takes for granted: {LEAVES_OPEN[0]}")
        self._descend(model, task)
        _start_anew(model, task.fresh("init"))
        task.fit(model, task.retain, self, cosine)
        return model

    def work(self, n: Sizes) -> float:
        """The batches of noisy steps, then the retain set."""
        return self.steps * per_step(n.retain, self.batch_size) + self.epochs * n.retain

    def guarantee(self) -> Guarantee:
        """Of the finished model; the log holds nothing of the noisy steps, which it does not cover."""
        noise = self.descent.noise(self.epsilon, self.delta)
        figures = (
            ("mu", self.descent.mu(noise)),
            ("noise", noise),
            ("noise_at_the_end", noise * self.descent.gain),
        )
        return Guarantee(self.epsilon, self.delta, figures, COVERS, LEAVES_OPEN)

    @property
    def descent(self) -> NoisyDescent:
        """The noisy steps, as their accountant sees them."""
        move = self.noise_lr * self.gradient_clip
        return NoisyDescent(self.weight_clip, move, self.steps, 1 - self.shrink)

    def _descend(self, model: nn.Module, task: Task) -> None:
        """Steps 1 and 2; losses are not noted, as the guarantee is for the last weights alone."""
        from itertools import islice

        import torch

        from deepunlearn_cli.engine.weights import drawn, scale_into

        weights: list[Tensor] = list(model.parameters())
        centre, noise = self._centre(model, task), self.descent.noise(self.epsilon, self.delta)
        with torch.no_grad():
            torch._foreach_sub_(weights, centre)
            scale_into([weight.detach() for weight in weights], self.weight_clip)
            torch._foreach_add_(weights, centre)

        def step(batch: Batch, normal: Tensor) -> None:
            gradients = list(task.gradients(task.loss(model, batch), weights))
            scale_into(gradients, self.gradient_clip)
            parts = torch.split(normal, [weight.numel() for weight in weights])
            shaped = [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]
            with torch.no_grad():
                torch._foreach_lerp_(weights, centre, self.shrink)
                torch._foreach_add_(weights, gradients, alpha=-self.noise_lr)
                torch._foreach_add_(weights, shaped, alpha=noise)

        for retain in islice(task.retain.endless(self.batch_size), self.steps):
            task.launch(step, retain, drawn(weights, task.stream("noise")))

    def _centre(self, model: nn.Module, task: Task) -> list[Tensor]:
        """Of the ball: what no picture had a part in."""
        if self.centre == ZERO:
            return [weight.detach().new_zeros(weight.shape) for weight in model.parameters()]
        return [weight.detach() for weight in task.fresh("init").parameters()]


def _start_anew(model: nn.Module, fresh: nn.Module) -> None:
    """All that training keeps beside weights is what a new model has: running statistics, averages.

    What noisy steps left there was made along the way, which the guarantee does not cover. Of frozen layers
    `fresh` has the original's.
    """
    new = dict(fresh.named_buffers())
    for name, value in model.named_buffers():
        value.copy_(new[name])
