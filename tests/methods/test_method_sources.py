"""What the sources of the methods say must hold: their papers and code, and those of arXiv 2410.01276."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepunlearn_cli import unlearn
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.engine import fit, predict
from deepunlearn_cli.engine.distill import divergence, entropy
from deepunlearn_cli.engine.layers import head, only, plain_weights, renew_layers, stages, stem, tail
from deepunlearn_cli.engine.layout import trace
from deepunlearn_cli.engine.pictures import Batch, Pictures
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.methods import METHODS, Sizes
from deepunlearn_cli.methods.cfw import balance
from deepunlearn_cli.methods.fcs import dissimilarity, uniformity
from deepunlearn_cli.models import Shape, build

HYPER = {"lr": 0.02, "weight_decay": 0.05, "momentum": 0.9}


def made(name: str, kind: str = "cnn", task: Task | None = None, **params: object) -> dict[str, Tensor]:
    """Weights after a method on the tiny task."""
    method = METHODS.get(name).build(params)
    return tiny.weights(unlearn(tiny.fresh(kind, 0), method, task or tiny.task(kind)))


def close(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.allclose(a[name], b[name], rtol=1e-4, atol=1e-6) for name in a)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts that batches were drawn from, in order."""
    seen: list[str] = []
    batches = Pictures.batches

    def watched(self: Pictures, *args: object, **options: object) -> object:
        seen.append({48: "retain", 12: "forget"}.get(len(self), "other"))
        return batches(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Pictures, "batches", watched)
    return seen


class TestMethodsThatCoincide:
    """Pairs of methods that are the same at one setting."""

    def test_ngplus_at_alpha_1_is_ft(self) -> None:
        """On a ViT: a BatchNorm would see the forget batches too."""
        short = {**HYPER, "epochs": 1, "batch_size": 64}
        assert close(made("ft", "vit", **short), made("ngplus", "vit", alpha=1.0, **short))

    def test_scrub_without_its_own_terms_is_ft(self) -> None:
        short = {**HYPER, "epochs": 1, "batch_size": 64}
        assert close(made("ft", **short), made("scrub", max_steps=0, alpha=0.0, gamma=1.0, **short))

    def test_salun_of_all_weights_is_srl(self) -> None:
        short = {**HYPER, "epochs": 2, "batch_size": 64}
        assert close(made("srl", **short), made("salun", threshold=1.0, **short))

    def test_cfk_of_every_stage_trains_all_but_the_stem(self) -> None:
        before, after = tiny.weights(tiny.fresh("cnn", 0)), made("cfk", blocks=4, epochs=1, lr=0.1)
        moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
        assert moved == {"layer1", "layer2", "layer3", "fc"}


class TestSaliency:
    """SalUN's mask."""

    @pytest.mark.parametrize("threshold", [0.1, 0.5])
    def test_frozen_means_frozen_and_the_mask_is_global(self, threshold: float) -> None:
        method = METHODS.get("salun").build({**HYPER, "threshold": threshold, "epochs": 2, "batch_size": 64})
        model, task = tiny.fresh("cnn", 0), tiny.task("cnn")
        masks = method.masks(model, task)
        total = sum(weight.numel() for weight in model.parameters())
        assert sum(int(mask.sum()) for mask in masks.values()) == int(threshold * total)
        shares = {round(float(mask.float().mean()), 2) for mask in masks.values()}
        assert len(shares) > 3, "as many of each tensor: the mask is not global"
        after = unlearn(model, method, tiny.task("cnn"))
        for (old, new), mask in zip(
            zip(model.parameters(), after.parameters(), strict=True), masks.values(), strict=True
        ):
            assert torch.equal(old[~mask], new[~mask])
            assert not mask.any() or not torch.equal(old[mask], new[mask])

    def test_saliency_is_the_size_of_the_summed_gradient(self) -> None:
        method, model, task = METHODS.get("salun")(), tiny.fresh("cnn", 0), tiny.task("cnn")
        masks = method.masks(model, task)
        batch = next(task.forget.batches(64, shuffle=False, augment=False))
        gradients = torch.autograd.grad(
            F.cross_entropy(model.eval()(batch.x), batch.y), list(model.parameters())
        )
        flat = torch.cat([gradient.abs().flatten() for gradient in gradients])
        chosen = torch.cat([mask.flatten() for mask in masks.values()])
        assert flat[chosen].min() >= flat[~chosen].max() * (1 - 1e-4)


class TestDivergences:
    """KL terms: direction, reduction, temperature."""

    teacher, student = torch.randn(6, 5), torch.randn(6, 5)

    def test_zero_and_flat_at_equality_and_not_symmetric(self) -> None:
        same = self.teacher.clone().requires_grad_()
        value = divergence(self.teacher, same)
        (gradient,) = torch.autograd.grad(value, same)
        assert abs(float(value)) < 1e-6
        assert float(gradient.abs().max()) < 1e-6
        assert not torch.isclose(
            divergence(self.teacher, self.student), divergence(self.student, self.teacher)
        )

    def test_definition(self) -> None:
        t, s = F.softmax(self.teacher / 2, 1), F.softmax(self.student / 2, 1)
        by_hand = (t * (t.log() - s.log())).sum(1).mean()
        torch.testing.assert_close(divergence(self.teacher, self.student, 2.0), by_hand)

    def test_scrub_has_t_squared_and_kde_has_not(self) -> None:
        kl = divergence(self.teacher, self.student, 3.0)
        scrub = METHODS.get("scrub").build({"temperature": 3.0})
        torch.testing.assert_close(scrub.kld(self.teacher, self.student), 9 * kl)
        kde, labels = METHODS.get("kde").build({"temperature": 3.0}), torch.arange(6) % 5
        soft = entropy(self.teacher / 3).mean() + kl  # cross-entropy = entropy + divergence
        whole = F.cross_entropy(self.student, labels) + soft + kl
        torch.testing.assert_close(kde.distillation(self.teacher, self.student, labels), whole)

    def test_bt_divides_by_the_classes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task, model = tiny.task("vit"), tiny.fresh("vit", 0)
        for module in model.modules():
            if hasattr(module, "drop_prob"):
                module.drop_prob = 0.0
        seen: list[Batch] = []
        forward = Task.forward
        monkeypatch.setattr(Task, "forward", lambda self, m, b: (seen.append(b), forward(self, m, b))[1])
        unlearn(model, METHODS.get("bt").build({"retain_share": 1.0}), task)
        shown, kept = seen[0], seen[0].position < 48
        competent, incompetent = model.eval(), tiny.fresh("vit", 0, "incompetent").eval()
        with torch.no_grad():
            target = torch.where(kept[:, None], competent(shown.x), incompetent(shown.x))
            by_hand = divergence(target, competent(shown.x)) / tiny.CLASSES
        assert task.log[0]["loss"] == pytest.approx(float(by_hand), rel=1e-4)

    def test_fcs_losses(self) -> None:
        uniform = torch.full((1, 5), 0.2)
        by_hand = (uniform * (uniform.log() - F.log_softmax(self.student, 1))).sum(1).mean()
        torch.testing.assert_close(uniformity(self.student), by_hand)
        rows = F.log_softmax(self.teacher @ self.student[:4].T / 1.15, dim=1)
        torch.testing.assert_close(dissimilarity(self.teacher, self.student[:4], 1.15), -rows.mean())


class TestSchedules:
    """Learning rates over epochs."""

    @pytest.mark.parametrize(
        ("epochs", "factors"),
        [
            (1, [1]),
            (2, [1, 1]),
            (3, [1, 1, 0.1]),
            (5, [1, 1, 1, 0.1, 0.1]),
            (10, [1] * 6 + [0.1] * 3 + [0.01]),
        ],
    )
    def test_steps(self, epochs: int, factors: list[float]) -> None:
        assert [fit.stepped(0.1)(epoch, epochs) for epoch in range(epochs)] == pytest.approx(factors)

    def test_fcs_anneals_per_step(self) -> None:
        rates = [fit.annealed(step, 10, 3e-4, 1e-6) for step in range(11)]
        assert rates[0] == pytest.approx(3e-4)
        assert rates[5] == pytest.approx((3e-4 + 1e-6) / 2)
        assert rates[10] == pytest.approx(1e-6)

    def test_nablatau_falls_in_a_line(self) -> None:
        assert [fit.linear_to(0.1)(epoch, 3) for epoch in range(3)] == pytest.approx([1, 0.7, 0.4])

    def test_rni_has_a_rate_for_its_last_phase(self) -> None:
        rni = METHODS.get("rni").build({"lr": 1e-4, "fine_lr": 3e-4})
        assert [rni.schedule(epoch, 9) for epoch in range(9)] == pytest.approx([1] * 5 + [3] * 4)

    def test_l1_fades_linearly_and_ends_before_its_tail(self) -> None:
        sparse = METHODS.get("l1sparse").build({"alpha": 1e-4, "epochs": 5})
        assert [sparse.penalty(e) for e in range(5)] == pytest.approx([1e-4, 8e-5, 6e-5, 4e-5, 2e-5])
        dense = METHODS.get("l1sparse").build({"alpha": 1e-4, "epochs": 5, "dense_share": 0.4})
        assert [dense.penalty(e) for e in range(5)][3:] == [0, 0]
        assert dense.penalty(2) == pytest.approx(1e-4 / 3)


class TestSparsity:
    """L1-sparse."""

    def test_its_step_is_the_gradient_of_the_penalised_loss(self) -> None:
        alpha, lr = 1e-3, 0.1
        params = {"epochs": 1, "alpha": alpha, "lr": lr, "momentum": 0.0, "weight_decay": 0.0}
        task, model = tiny.task("cnn"), tiny.fresh("cnn", 0).train()
        batch = next(tiny.task("cnn").retain.batches(64))
        penalty = alpha * sum(weight.abs().sum() for weight in model.parameters())
        gradients = torch.autograd.grad(
            F.cross_entropy(model(batch.x), batch.y) + penalty, list(model.parameters())
        )
        after = unlearn(
            tiny.fresh("cnn", 0), METHODS.get("l1sparse").build({**params, "batch_size": 64}), task
        )
        for old, new, gradient in zip(model.parameters(), after.parameters(), gradients, strict=True):
            torch.testing.assert_close(new, old - lr * gradient, rtol=1e-4, atol=1e-6)


SIZES = {"head": tiny.SIZE, "fc": 32}


class TestLayers:
    """Which layers a method finds in a network."""

    MODELS: tuple[tuple[Callable[[], nn.Module], int, str], ...] = (
        (lambda: build("resnet18", Shape(10, 3, 32)), 4, "fc"),
        (lambda: build("timm:tiny_vit_5m_224", Shape(10, 3, 32)), 4, "head.fc"),
        (tiny.vit, 2, "head"),
        (tiny.cnn, 3, "fc"),
        (lambda: build("torchvision:vgg11_bn", Shape(10, 3, 32)), 8, "classifier.6"),
    )

    @pytest.mark.parametrize("seen", [True, False])
    @pytest.mark.parametrize(("make", "count", "last"), MODELS)
    def test_stages_stem_and_classifier(
        self, make: Callable[[], nn.Module], count: int, last: str, seen: bool
    ) -> None:
        model = make()
        layout = trace(model, (3, SIZES.get(last, 32), SIZES.get(last, 32))) if seen else None
        assert len(stages(model, layout)) == count
        classifier = model.get_submodule(last)
        assert set(classifier.parameters()) == set(head(model, layout))
        assert next(model.parameters()).shape == stem(model, layout)[0].shape or last == "head"
        inside = set(tail(model, 100, layout))
        assert classifier in inside
        assert last == "classifier.6" or not {w for m in inside for w in m.parameters()} & set(stem(model))
        assert set(tail(model, 1, layout)) < inside

    @pytest.mark.parametrize("kind", tiny.MODELS)
    def test_frozen_layers_keep_weights_and_statistics(self, kind: str) -> None:
        for name in ("cfk", "euk"):
            model = tiny.fresh(kind, 0)
            places = {module: place for place, module in model.named_modules()}
            trained = {places[module] for module in tail(model, 1)}
            after = made(name, kind, blocks=1, epochs=1, lr=0.1)
            for key, value in tiny.weights(model).items():
                if key.rpartition(".")[0] not in trained:
                    assert torch.equal(value, after[key]), key
            names = {id(weight): name for name, weight in model.named_parameters()}
            assert all(not torch.equal(weight, after[names[id(weight)]]) for weight in head(model))

    def test_a_fresh_tail_is_fresh_before_training_with_its_statistics(self) -> None:
        model = tiny.fresh("cnn", 0)
        unlearned = unlearn(model, METHODS.get("ft").build({"epochs": 1}), tiny.task("cnn"))
        renew_layers(tail(unlearned, 1), unlearned, tiny.fresh("cnn", 0, "reset"))
        new = tiny.weights(tiny.fresh("cnn", 0, "reset"))
        for key, value in tiny.weights(unlearned).items():
            assert torch.equal(value, new[key]) == (key.split(".")[0] in ("layer3", "fc")), key

    def test_only_restores_the_model(self) -> None:
        model = tiny.fresh("cnn", 0)
        with only(model, tail(model, 1)) as share:
            assert 0 < share < 1
            assert not model.bn1.training
            assert model.layer3[0].bn1.training
        assert all(weight.requires_grad for weight in model.parameters())
        assert all(module.training for module in model.modules())


class TestNoise:
    """Methods that add noise."""

    def test_ff_variance_follows_the_formula(self) -> None:
        ff = METHODS.get("ff").build({"alpha": 1e-6})
        information = torch.tensor([[1.0, 4.0], [0.0, 1e-2]])
        rows = torch.tensor([(1 + 0.25) / 2, (1000 + 100) / 2]) * 1e-6
        torch.testing.assert_close(ff.variance(information, head=False), rows[:, None].expand(2, 2))
        head = torch.tensor([(1 + 0.25) / 2, 100.0]) * 1e-5
        torch.testing.assert_close(ff.variance(information, head=True), head[:, None].expand(2, 2))
        torch.testing.assert_close(ff.variance(information[0], head=False), torch.tensor([1e-5, 2.5e-6]))

    @pytest.mark.slow
    def test_ff_draws_what_it_says_and_touches_no_buffer(self) -> None:
        ff, model = METHODS.get("ff").build({"alpha": 1e-6}), tiny.fresh("cnn", 0)
        information = ff.information(model, tiny.task("cnn"))
        expected = {id(weight): ff.variance(information[weight], head=False) for weight in model.parameters()}
        draws = [unlearn(model, ff, tiny.task("cnn", seed=seed)) for seed in range(40)]
        for name in ("conv1.weight", "layer3.0.conv2.weight", "bn1.bias"):
            moves = torch.stack([d.get_parameter(name) - model.get_parameter(name) for d in draws])
            ratio = moves.var(0, correction=0).mean() / expected[id(model.get_parameter(name))].mean()
            assert 0.7 < float(ratio) < 1.3, name
        before = dict(model.named_buffers())
        assert all(torch.equal(before[name], value) for name, value in draws[0].named_buffers())

    def test_ff_zeroes_the_row_of_a_class_that_is_gone_and_no_other(self) -> None:
        task, model = tiny.task("cnn"), tiny.fresh("cnn", 0)
        kept = task.retain.labels != 2
        task.parts["retain"] = task.retain._like(task.retain.indices[kept])
        after = unlearn(model, METHODS.get("ff").build({"alpha": 1e-9}), task)
        moved = (after.fc.weight - model.fc.weight).norm(dim=1)
        assert moved[2] > 10 * moved[:2].max()
        assert after.fc.weight[2].std() < 0.05
        untouched = unlearn(model, METHODS.get("ff").build({"alpha": 1e-9}), tiny.task("cnn"))
        assert (untouched.fc.weight - model.fc.weight).abs().max() < 1e-2

    def test_cfw_noise_lands_in_the_first_convolution_alone(self) -> None:
        settings = {"epochs": 1, "lr": 1e-5, "weight_decay": 0.0, "start_std": 0.6}
        for kind, name in (("cnn", "conv1.weight"), ("vit", "patch_embed.proj.weight")):
            before, after = tiny.weights(tiny.fresh(kind, 0)), made("cfw", kind, **settings)
            moves = {
                key: (after[key] - before[key]).float().std() for key in before if key.endswith("weight")
            }
            assert 0.4 < float(moves.pop(name)) < 0.8
            assert all(move < 1e-2 for move in moves.values())
        everywhere = made("cfw", scope="all", **settings)
        assert (everywhere["layer2.0.conv1.weight"] - tiny.fresh("cnn", 0).layer2[0].conv1.weight).std() > 0.4

    def test_cfw_weighs_samples_not_batches(self) -> None:
        weight = balance(torch.tensor([0, 0, 0, 1]), 3)
        torch.testing.assert_close(weight, torch.tensor([4 / 9, 4 / 3, 0.0]))

    def test_rni_shakes_some_tensors_and_trains_those_and_norms(self) -> None:
        model, task = tiny.fresh("cnn", 0), tiny.task("cnn")
        before = tiny.weights(model)
        rni = METHODS.get("rni").build({"layers": 5, "noise_share": 0.6, "noise_std": 0.1})
        rni._shake(model, task)
        shaken = [name for name, value in tiny.weights(model).items() if not torch.equal(value, before[name])]
        frozen = [name for name, value in model.named_parameters() if not value.requires_grad]
        assert len(shaken) == 3
        assert len(frozen) == len(plain_weights(model)) - 5
        assert not set(shaken) & set(frozen)
        assert not any("bn" in name or ".1." in name for name in frozen if "downsample" not in name)


class TestResets:
    """Methods that draw weights anew."""

    def test_prmq_draws_exactly_the_smallest_and_leaves_biases(self) -> None:
        model, task = tiny.fresh("cnn", 0), tiny.task("cnn")
        before = tiny.weights(model)
        METHODS.get("prmq")()._reinitialise(model, task)
        after = tiny.weights(model)
        matrices = [name for name, value in before.items() if value.dim() > 1]
        kept = {name: after[name] == before[name] for name in matrices}
        total = sum(before[name].numel() for name in matrices)
        assert sum(int(k.sum()) for k in kept.values()) == total - int(0.99 * total)
        smallest = min(before[name][kept[name]].abs().min() for name in matrices if kept[name].any())
        largest = max(before[name][~kept[name]].abs().max() for name in matrices)
        assert smallest >= largest
        assert all(torch.equal(after[name], before[name]) for name in before if name not in matrices)
        bound = 1 / after["conv1.weight"][0].numel() ** 0.5
        assert after["conv1.weight"][~kept["conv1.weight"]].abs().max() <= bound

    def test_prmq_takes_parts_of_an_epoch(self) -> None:
        task = tiny.task("cnn")
        monkeyed = METHODS.get("prmq").build({"epochs": 1.5, "batch_size": 64})
        steps: list[int] = []
        object.__setattr__(task, "step", lambda optimizer, loss, batch: steps.append(1))
        task.parts["retain"] = tiny.part(tiny.pixels(256), range(256))
        monkeyed.unlearn(tiny.fresh("cnn", 0).train(), task)
        assert len(steps) == 4 + 2

    @pytest.mark.parametrize(("kind", "ends"), [("cnn", {"conv1", "fc"}), ("vit", {"patch_embed", "head"})])
    def test_kde_resets_both_ends_and_nothing_else(self, kind: str, ends: set[str]) -> None:
        model = tiny.fresh(kind, 0)
        before = tiny.weights(model)
        METHODS.get("kde")()._reset_ends(model, tiny.task(kind))
        moved = {k.split(".")[0] for k, v in tiny.weights(model).items() if not torch.equal(v, before[k])}
        assert moved == ends


class TestScrub:
    """The order of SCRUB's passes, and its way back."""

    def test_max_then_min_and_exactly_m_max_passes(self, calls: list[str]) -> None:
        made("scrub", epochs=3, max_steps=2, batch_size=64)
        assert calls == ["forget", "retain", "forget", "retain", "retain"]

    def test_rewind_may_lead_back_to_the_original(self, monkeypatch: pytest.MonkeyPatch) -> None:
        errors = iter([0.5, 0.1, 0.9, 0.49])  # forget before, after epochs 1 and 2; validation at the end
        monkeypatch.setattr(predict, "error", lambda model, part, task: next(errors))
        task, model = tiny.task("cnn"), tiny.fresh("cnn", 0)
        method = METHODS.get("scrub").build({"epochs": 2, "rewind": True})
        after = method.unlearn(model, task)
        assert task.facts["rewound_to_epoch"] == 0
        assert tiny.same(tiny.weights(after), tiny.weights(tiny.fresh("cnn", 0)))

    def test_reads_validation_data_only_to_rewind(self) -> None:
        scrub = METHODS.get("scrub")
        assert scrub().reads == ("retain", "forget")
        assert "val" in scrub.build({"rewind": True}).reads
        task = tiny.task("cnn")
        scrub.build({"epochs": 2, "rewind": True}).unlearn(tiny.fresh("cnn", 0), task)
        assert task.facts["rewound_to_epoch"] in (0, 1, 2)


class TestNablaTau:
    """Rules of nabla-tau."""

    @pytest.mark.parametrize(("share", "alpha"), [(0.03, 0.05), (0.15, 0.25), (0.30, 0.5), (0.8, 1.0)])
    def test_alpha_follows_the_forget_share_and_falls_to_nothing(self, share: float, alpha: float) -> None:
        nabla = METHODS.get("nablatau")()
        assert nabla.alpha(0, 10, share) == pytest.approx(alpha)
        assert nabla.alpha(5, 10, share) == pytest.approx(alpha / 2)

    @pytest.mark.parametrize(
        ("percent", "rounds"), [(1, 291), (3, 95), (5, 55), (10, 26), (15, 16), (20, 11), (30, 6), (50, 3)]
    )
    def test_budget_is_the_authors(self, percent: int, rounds: int) -> None:
        forget = 50_000 * percent // 100
        assert METHODS.get("nablatau")().rounds(Sizes(50_000 - forget, forget, 5000, 10)) == rounds

    def test_ascent_stops_at_the_validation_loss_and_is_logged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for bound, active in ((torch.tensor(-1.0), 0.0), (torch.tensor(1e3), 1.0)):
            monkeypatch.setattr(predict, "mean_loss", lambda model, part, task, bound=bound: bound)
            task = tiny.task("cnn")
            unlearn(tiny.fresh("cnn", 0), METHODS.get("nablatau").build({"lr": 1e-5}), task)
            assert task.facts["ascent_active_share"] == active

    @pytest.mark.parametrize("frozen", [True, False])
    def test_frozen_norm_keeps_statistics(self, frozen: bool) -> None:
        after, before = made("nablatau", frozen_norm=frozen), tiny.weights(tiny.fresh("cnn", 0))
        assert torch.equal(after["bn1.running_mean"], before["bn1.running_mean"]) == frozen

    def test_warns_when_a_class_is_removed(self) -> None:
        task = tiny.task("cnn")
        task.parts["forget"] = task.forget._like(task.forget.indices[task.forget.labels == 2])
        task.parts["retain"] = task.retain._like(task.retain.indices[task.retain.labels != 2])
        unlearn(tiny.fresh("cnn", 0), METHODS.get("nablatau")(), task)
        assert "whole classes" in task.warnings[0]
        plain = tiny.task("cnn")
        unlearn(tiny.fresh("cnn", 0), METHODS.get("nablatau")(), plain)
        assert not plain.warnings


class TestInfluence:
    """IU and SSD: closed forms."""

    def test_iu_is_the_dense_solution(self) -> None:
        model, task = tiny.fresh("cnn", 0), tiny.task("cnn")
        alpha, samples = 2.0, 20
        after = unlearn(model, METHODS.get("iu").build({"alpha": alpha, "samples": samples}), task)
        weights = list(model.eval().parameters())

        def gradient(part: Pictures) -> Tensor:
            batch = next(part.batches(1000, shuffle=False, augment=False))
            found = torch.autograd.grad(F.cross_entropy(model(batch.x), batch.y), weights)
            return torch.cat([g.flatten() for g in found]).double()

        again = tiny.task("cnn")
        v = 12 / 60 * (gradient(again.forget) - gradient(again.retain))
        chosen = again.retain.sample(samples, again.stream("subset"))
        rows = torch.stack([gradient(chosen._like(chosen.indices[i : i + 1])) for i in range(samples)])
        inverse_times_v = v - rows.T @ torch.linalg.solve(
            samples * torch.eye(samples).double() + rows @ rows.T, rows @ v
        )
        moved = torch.cat([(a - b).flatten() for a, b in zip(after.parameters(), weights, strict=True)])
        scale = float(inverse_times_v.abs().max()) * alpha
        torch.testing.assert_close(moved.double(), alpha * inverse_times_v, rtol=1e-3, atol=1e-3 * scale)

    def test_ssd_only_shrinks_what_it_selects(self) -> None:
        ssd, weight = METHODS.get("ssd").build({"alpha": 2.0}), torch.tensor([1.0, -2.0, 3.0, -4.0])
        of_forget, of_all = torch.tensor([4.0, 4.0, 1.0, 0.0]), torch.tensor([1.0, 0.4, 1.0, 0.0])
        assert int(ssd.dampen(weight, of_forget, of_all)) == 2
        torch.testing.assert_close(weight, torch.tensor([0.25, -0.2, 3.0, -4.0]))

    def test_ssd_never_turns_a_sign_and_is_deterministic(self) -> None:
        before = tiny.weights(tiny.fresh("cnn", 0))
        first, second = made("ssd", alpha=1.0), made("ssd", alpha=1.0, task=tiny.task("cnn", seed=9))
        assert tiny.same(first, second)
        for name, value in before.items():
            assert (first[name].abs() <= value.abs()).all()
            assert (first[name] * value >= 0).all()


@pytest.mark.parametrize("name", ["cfw", "kde", "rni", "cfk", "euk", "prmq"])
def test_a_model_without_layers_is_refused(name: str) -> None:
    with pytest.raises(UsageFailure, match=f"{name}|{METHODS.get(name).title}"):
        unlearn(nn.Sequential(nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), name, tiny.task())


def test_a_network_without_convolutions_is_refused_by_cfw() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, tiny.CLASSES))
    with pytest.raises(UsageFailure, match="no convolution"):
        unlearn(model, "cfw", tiny.task("cnn"))


def test_teachers_are_asked_once_where_pictures_do_not_move() -> None:
    """SCRUB looks at its teacher once per part, not once per epoch."""
    task = tiny.task("cnn")
    for part in task.parts.values():
        part.augment = False
    unlearn(tiny.fresh("cnn", 0), METHODS.get("scrub").build({"epochs": 3, "max_steps": 2}), task)
    assert task.cost.forward == (48 + 12) + 3 * 48 + 2 * 12
    assert task.cost.backward == 3 * 48 + 2 * 12
