"""Which cheap signals rank networks as a full training does: what a search may screen with, and what that takes.

Of each family of the default space networks from the smallest to the largest that fit 100 KiB of flash and 64 KiB of
RAM are trained fully on a fixed part of CIFAR-10's learning images; their accuracy in the end, the mean over seeds, is
the truth. Against it stand trainings that are shorter, or with fewer or smaller images, each with a schedule of its
own; the full training cut off; scores of a network before it is trained; weights handed down from a narrower network;
and predictions of each network from what the others came to. Validation is as many other learning images.

Seconds are the processor's, without validation. With `--keep` a bench that was cut off goes on where it was.
"""

from __future__ import annotations

import json
import math
import statistics
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.stats import kendalltau
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, fx, nn

from measure import Bar, conclude, data_folder, machine, options, percent, table
from pennyweight import LabelledImages, open_source
from pennyweight.data.images import Part
from pennyweight.data.source import images_at
from pennyweight.fit.defaults import default_recipe
from pennyweight.fit.device import choose_device
from pennyweight.fit.loop import State, Tensors, begin, fit
from pennyweight.fit.predict import Normalisation, as_tensor, logits
from pennyweight.net.graph import Graph
from pennyweight.net.module import ACTIVATIONS, to_module
from pennyweight.net.zoo import build_network
from pennyweight.plan.candidates import Candidate, Candidates
from pennyweight.plan.space import Point, Space
from search_peers import BUDGET, some

Floats = npt.NDArray[np.float64]

DRAWN = 100
"""Points of each family, of which some are taken."""

SCORED_IMAGES = 128
"""The minibatch that scores before training look at."""

NARROWER = 0.7
"""Of a network's width, that of the one whose weights it takes over."""

NOISE = 0.1
"""Of the deviation of a tensor, what is added to copied channels, so that copies part."""

HEIRS = 6
"""Networks that take over weights."""

MINUTES = (1, 2, 4, 8)
"""Of the searches that are played with what was measured."""

SCREENING_SHARE = 0.5
"""Of a played search's time, for screening; the rest is for full trainings."""

POOL = 2 / 3
"""Of the networks, what each play has, so that it does not hang on one of them."""

PLAYS = 500


@dataclass(frozen=True, slots=True)
class Look:
    """What a network seemed worth after so many seconds: accuracy or another score; of a training also the loss."""

    seconds: float
    score: float
    loss: float = math.nan


Looks = tuple[Look, ...]
Readings = dict[tuple[str, str], Looks]
"""By network and way."""


@dataclass(frozen=True)
class Data:
    """Learning images in two halves: what is trained on, and what accuracy is taken on."""

    images: LabelledImages
    validation: Part

    @staticmethod
    def of(images: LabelledImages) -> Data:
        """The first half to train on, the second to validate."""
        half = len(images.learning) // 2
        train, validation = (images.learning.take(np.arange(half) + start) for start in (0, half))
        return Data(replace(images, learning=train), validation)


@dataclass(frozen=True)
class Setting:
    """What a way works with: the images, the same in half their height and width, the epochs of a full training."""

    data: Data
    small: Data
    epochs: int

    def share(self, of: float) -> int:
        """The epochs of a training that has this share of a full one's."""
        return max(1, round(of * self.epochs))


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the space, with what it costs."""

    text: str
    family: str
    point: Point
    graph: Graph
    costs: dict[str, int]

    @staticmethod
    def of(found: Candidate) -> Network:
        cost = found.cost
        assert cost.flash_bytes is not None
        assert cost.ram_bytes is not None
        costs = {"macs": cost.macs, "parameters": cost.parameters, "flash": cost.flash_bytes, "ram": cost.ram_bytes}
        return Network(found.graph.text, found.point.family, found.point, found.graph, costs)


def training(
    data: Data,
    graph: Graph,
    epochs: int,
    *,
    seed: int = 0,
    share: float = 1,
    module: nn.Module | None = None,
    curve: bool = False,
) -> Looks:
    """One look after a training on a `share` of the images, or with `curve` one after each epoch."""
    recipe = replace(default_recipe(graph, data.images), epochs=epochs, seed=seed)
    learning = data.images.learning
    train = learning.take(np.arange(round(share * len(learning))))
    normalisation = Normalisation.of(train)
    looks: list[Look] = []
    spent, mark = 0.0, time.process_time()

    def look(state: State) -> None:
        nonlocal spent, mark
        spent += time.process_time() - mark
        if curve or state.epoch == epochs:
            out = logits(state.module, data.validation.images, normalisation, choose_device("cpu"))
            labels = as_tensor(data.validation.labels)
            accuracy = float((out.argmax(1) == labels).float().mean())
            looks.append(Look(spent, accuracy, float(F.cross_entropy(out, labels))))
        mark = time.process_time()

    state = begin(graph, module or to_module(graph, seed=seed), recipe)
    fit(state, train, learning.take(np.arange(0)), normalisation, recipe, on_epoch=look)
    return tuple(looks)


def at_half_size(setting: Setting, network: Network, share: float) -> Looks:
    data = setting.small
    graph = build_network(network.text, data.images.input_shape, data.images.classes)
    return training(data, graph, setting.share(share))


def before_training(score: Callable[[nn.Module, Tensor, Tensor], float], setting: Setting, network: Network) -> Looks:
    """A score of the network with its first weights, of one minibatch."""
    began = time.process_time()
    few = setting.data.images.learning.take(np.arange(SCORED_IMAGES))
    mean, scale = Normalisation.of(few).tensors(choose_device("cpu"))
    x = (as_tensor(few.images).permute(0, 3, 1, 2).float() - mean) * scale
    found = score(to_module(network.graph, seed=0), x, as_tensor(few.labels))
    return (Look(time.process_time() - began, found),)


def synflow(module: nn.Module, x: Tensor, _: Tensor) -> float:
    """The logarithm of the sum of weight times gradient where all weights are positive and the image is ones.

    Tanaka et al. 2020 (arXiv:2006.05467), of a network as Abdelfattah et al. 2021 (arXiv:2101.08134) take it.
    """
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.abs_()
    module(torch.ones_like(x[:1], dtype=torch.float64)).sum().backward()
    flows = [(each.grad * each).sum().detach() for each in module.parameters() if each.grad is not None]
    return math.log(float(torch.stack(flows).sum()))


class Codes(fx.Interpreter):
    """Runs a module and adds up in how many units two images are on the same side of the activation."""

    kernel: Tensor | float = 0.0

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if target in ACTIVATIONS.values():
            on = (args[0].flatten(1) > 0).double()
            self.kernel = self.kernel + on @ on.T + (1 - on) @ (1 - on).T
        return super().call_function(target, args, kwargs)


def naswot(module: nn.Module, x: Tensor, _: Tensor) -> float:
    """How differently the images switch the activations: Mellor et al. 2021 (arXiv:2006.04647).

    One is added to the kernel's diagonal, which is singular where a network has fewer units than tell images apart.
    """
    assert isinstance(module, fx.GraphModule)
    codes = Codes(module)
    with torch.no_grad():
        codes.run(x)
    assert isinstance(codes.kernel, Tensor)
    return float(torch.linalg.slogdet(codes.kernel + torch.eye(len(x)))[1])


def gradient_norm(module: nn.Module, x: Tensor, labels: Tensor) -> float:
    """The logarithm of the sum over the weights' tensors of their gradient's norm: Abdelfattah et al. 2021."""
    F.cross_entropy(module(x), labels).backward()  # type: ignore[no-untyped-call]
    return math.log(sum(float(each.grad.norm()) for each in module.parameters() if each.grad is not None))


def narrower(network: Network) -> str:
    """The text of the network that is like this one but for its width."""
    name = f"{network.family}.width"
    values = {
        key: max(2, round(NARROWER * int(value))) if key == name else value for key, value in network.point.values
    }
    return replace(network.point, values=tuple(values.items())).network


def leading(module: nn.Module, given: Tensors) -> None:
    """Copy a narrower network's weights over the first channels; the others keep their fresh ones."""
    with torch.no_grad():
        for name, own in module.state_dict().items():
            own[tuple(slice(length) for length in given[name].shape)] = given[name]


def copied(module: nn.Module, given: Tensors) -> None:
    """Widen a narrower network so that it computes the same but for NOISE: Net2WiderNet, Chen et al. 2016.

    arXiv:1511.05641. Channels are repeated in turn, and what reads a repeated one is divided by how often it is there.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, own in module.state_dict().items():
            value = given[name]
            for axis, (wide, narrow) in enumerate(zip(own.shape, value.shape, strict=True)):
                source = torch.arange(wide) % narrow
                value = value.index_select(axis, source)
                if axis == 1:
                    counts = torch.bincount(source)[source]
                    value = value / counts.view(-1, *[1] * (value.ndim - 2))
            if value.ndim > 1:
                value = value + NOISE * value.std() * torch.randn(value.shape, generator=generator)
            own.copy_(value)


HEIR_LOOKS = ("narrower, 1/3 of the epochs", "leading channels handed down", "copied channels handed down")


def handed_down(setting: Setting, network: Network) -> Looks:
    """A look at each of HEIR_LOOKS: the narrower network, and this one after as many epochs from its weights."""
    data, epochs = setting.data, setting.share(1 / 3)
    graph = build_network(narrower(network), data.images.input_shape, data.images.classes)
    parent = to_module(graph, seed=0)
    looks = training(data, graph, epochs, module=parent)
    for hand_down in (leading, copied):
        module = to_module(network.graph, seed=0)
        hand_down(module, parent.state_dict())
        looks += training(data, network.graph, epochs, module=module)
    return looks


Way = Callable[[Setting, Network], Looks]


def shorter(epochs: float, images: float, setting: Setting, network: Network) -> Looks:
    return training(setting.data, network.graph, setting.share(epochs), share=images)


def fully(seed: int, setting: Setting, network: Network) -> Looks:
    return training(setting.data, network.graph, setting.epochs, seed=seed, curve=seed == 0)


FULL, THIRD, NINTH, HEIR = "full training", "1/3 of the epochs", "1/9 of the epochs", "handed down"

TRAININGS: dict[str, Way] = {
    THIRD: partial(shorter, 1 / 3, 1),
    NINTH: partial(shorter, 1 / 9, 1),
    "1/3 of the images, all epochs": partial(shorter, 1, 1 / 3),
    "1/3 of the images and epochs": partial(shorter, 1 / 3, 1 / 3),
    "half size, 1/3 of the epochs": lambda setting, network: at_half_size(setting, network, 1 / 3),
    "half size, 1/9 of the epochs": lambda setting, network: at_half_size(setting, network, 1 / 9),
}
SCORES: dict[str, Way] = {
    "synflow": partial(before_training, synflow),
    "NASWOT": partial(before_training, naswot),
    "gradient norm": partial(before_training, gradient_norm),
}
WAYS = TRAININGS | SCORES
HALF = "1/2 of the epochs"
"""What a training costs that is handed weights by one that was trained for it, near enough."""

HEIR_WAYS: dict[str, Way] = {HEIR: handed_down, HALF: partial(shorter, 1 / 2, 1)}


def of_seed(seed: int) -> str:
    """The way that is a full training with this seed."""
    return FULL if seed == 0 else f"{FULL}, seed {seed}"


def chosen(space: Space, candidates: Candidates, each: int) -> list[Network]:
    """Of each family `each` networks that fit, evenly from the least MACs to the most; in an order that is shuffled."""
    found: list[Network] = []
    for family in sorted(space.networks):
        rng = Random(0)
        points = dict.fromkeys(space.draw(rng, family) for _ in range(DRAWN))
        fitting = [Network.of(candidate) for point in points if (candidate := candidates.fitting(point))]
        own = sorted(fitting, key=lambda network: network.costs["macs"])
        places = np.linspace(0, len(own) - 1, min(each, len(own))).round().astype(int)
        found += [own[place] for place in places]
    Random(0).shuffle(found)
    return found


def heirs(networks: Sequence[Network]) -> list[Network]:
    """The network of middle size of each family that has a width, then those around it."""
    groups: dict[str, list[Network]] = {}
    for network in sorted(networks, key=lambda network: network.costs["macs"]):
        if f"{network.family}.width" in dict(network.point.values):
            groups.setdefault(network.family, []).append(network)
    ranked = [sorted(own, key=lambda network: abs(2 * own.index(network) + 1 - len(own))) for own in groups.values()]
    return [network for network in chain(*zip_longest(*ranked)) if network][:HEIRS]


@dataclass
class Keeper:
    """The readings so far, and the file of JSON lines that has those of this setup."""

    setup: dict[str, Any]
    file: Path | None
    readings: Readings = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.is_file():
            for line in map(json.loads, self.file.read_text(encoding="utf-8").splitlines()):
                if line["setup"] == self.setup:
                    looks = tuple(Look(**look) for look in line["looks"])
                    self.readings[line["network"], line["way"]] = looks

    def take(self, network: Network, name: str, way: Callable[[], Looks]) -> None:
        """What `way` comes to, where it is not known yet."""
        if (network.text, name) in self.readings:
            return
        looks = self.readings[network.text, name] = way()
        print(f"  {network.text}, {name}: {looks[-1].score:.4f} after {looks[-1].seconds:.1f} s", flush=True)
        if self.file is not None:
            line = {"setup": self.setup, "network": network.text, "way": name}
            with self.file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line | {"looks": [asdict(look) for look in looks]}) + "\n")


@dataclass(frozen=True)
class Signal:
    """What is known of each network after so many seconds on it; higher is better.

    `credit` are seconds that its full training need not spend again, `first` says what to screen first (None:
    anything); `alone` is false where other networks' full trainings must be known.
    """

    scores: Floats
    seconds: Floats
    credit: Floats | None = None
    first: Floats | None = None
    alone: bool = True


def signals(networks: Sequence[Network], readings: Readings, truth: Floats) -> dict[str, Signal]:
    """Every signal, by its name."""

    def looks(way: str, place: int = -1) -> list[Look]:
        return [readings[network.text, way][place] for network in networks]

    def signal(seen: Sequence[Look], *, loss: bool = False, cut: bool = False) -> Signal:
        scores = np.array([-look.loss if loss else look.score for look in seen])
        seconds = np.array([look.seconds for look in seen])
        return Signal(scores, seconds, seconds if cut else None)

    free = np.zeros(len(networks))
    found: dict[str, Signal] = {}
    for way in TRAININGS:
        found[way] = signal(looks(way))
        if way in (THIRD, NINTH):
            found[f"{way}, by loss"] = signal(looks(way), loss=True)
    epochs = len(readings[networks[0].text, FULL])
    for epoch in dict.fromkeys(max(1, round(share * epochs)) for share in (1 / 9, 1 / 6, 1 / 3, 1 / 2)):
        cut = signal(looks(FULL, epoch - 1), cut=True)
        found[f"{FULL} cut after {epoch}"] = cut
        gained = with_gains(networks, cut.scores, np.array([look.score for look in looks(FULL)]))
        found[f"cut after {epoch}, and what its family gains"] = replace(cut, scores=gained, alone=False)
    for way in SCORES:
        found[way] = signal(looks(way))
    for name in ("macs", "parameters", "flash", "ram"):
        found[name] = Signal(np.log([network.costs[name] for network in networks]), free)
    for way in (THIRD, NINTH, "half size, 1/3 of the epochs"):
        found[f"{way}, most MACs first"] = replace(found[way], first=found["macs"].scores)
    costs = features(networks)
    for name, model in (("ridge", ridge()), ("Gaussian process", gaussian_process(costs.shape[1]))):
        found[f"{name} on costs"] = Signal(foretold(model, costs, truth), free, alone=False)
        for way in (NINTH, THIRD):
            known = np.column_stack([costs, found[way].scores])
            model = ridge() if name == "ridge" else gaussian_process(known.shape[1])
            predicted = foretold(model, known, truth)
            found[f"{name} on costs and {way}"] = Signal(predicted, found[way].seconds, alone=False)
    for way in (NINTH, THIRD):
        own = found[way]
        model = gaussian_process(costs.shape[1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            smooth = model.fit(costs, own.scores).predict(costs)
        found[f"{way}, smoothed over costs"] = replace(own, scores=smooth)
    return found


def with_gains(networks: Sequence[Network], scores: Floats, ends: Floats) -> Floats:
    """Scores and what the others of the family gained from there on, on average."""
    gains = ends - scores
    families = np.array([network.family for network in networks])
    own = (families[:, None] == families) & ~np.eye(len(networks), dtype=bool)
    means: Floats = own @ gains / np.maximum(own.sum(1), 1)
    return scores + means


def features(networks: Sequence[Network]) -> Floats:
    """`(networks, features)`: the family as one of several columns, and the logarithms of the costs."""
    families = list(dict.fromkeys(network.family for network in networks))
    return np.array(
        [
            [*(network.family == family for family in families), *np.log(list(network.costs.values()))]
            for network in networks
        ],
        dtype=np.float64,
    )


def ridge() -> Any:
    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 2, 9)))


def gaussian_process(columns: int) -> Any:
    kernel = ConstantKernel() * RBF(math.sqrt(columns), (0.5, 50)) + WhiteKernel(0.1, (1e-3, 1))
    return make_pipeline(StandardScaler(), GaussianProcessRegressor(kernel, normalize_y=True))


def foretold(model: Any, columns: Floats, truth: Floats) -> Floats:
    """Of each network what `model` says that was fitted to the others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hyperparameters at their bounds
        predicted: Floats = cross_val_predict(model, columns, truth, cv=LeaveOneOut())
    return predicted


@dataclass(frozen=True)
class Judged:
    """How well a signal ranks: against the truth, and in searches that are played with it."""

    tau: float
    tau_error: float
    tau_within: float | None
    tau_of_best_half: float
    taus: dict[str, float]
    regret: float
    regret_of_three: float | None
    error: float
    share: float
    played: tuple[float, ...]


def judged(signal: Signal, truth: Floats, families: Sequence[str], full: Floats) -> Judged:
    """The figures of a signal; `full` are the seconds of the full trainings."""
    order = np.argsort(-signal.scores, kind="stable")
    own = {family: np.array([each == family for each in families]) for family in dict.fromkeys(families)}
    taus = {name: tau(signal.scores[mask], truth[mask]) for name, mask in own.items() if mask.sum() > 2}
    everyone, best = np.arange(len(truth)), np.argsort(-truth)[: len(truth) // 2]
    left_out = [tau(signal.scores[everyone != one], truth[everyone != one]) for one in everyone]
    line = foretold(LinearRegression(), signal.scores[:, None], truth)
    return Judged(
        tau=tau(signal.scores, truth),
        tau_error=math.sqrt((len(truth) - 1) * statistics.pvariance(left_out)),
        tau_within=statistics.fmean(taus.values()) if taus else None,
        tau_of_best_half=tau(signal.scores[best], truth[best]),
        taus=taus,
        regret=float(truth.max() - truth[order[0]]),
        regret_of_three=float(truth.max() - truth[order[:3]].max()),
        error=float(np.sqrt(np.mean((line - truth) ** 2))),
        share=float(signal.seconds.sum() / full.sum()),
        played=tuple(played(signal, truth, full, 60 * minutes) for minutes in MINUTES) if signal.alone else (),
    )


def tau(scores: Floats, truth: Floats) -> float:
    """Kendall's tau-b; 0 where all scores are the same."""
    found = float(kendalltau(scores, truth).statistic)
    return 0.0 if math.isnan(found) else found


def played(signal: Signal, truth: Floats, full: Floats, seconds: float) -> float:
    """How far searches stay behind the best, on average, that screen and then train fully what seems best.

    Each has POOL of the networks. Screening ends with SCREENING_SHARE of the time, or when all are screened; one full
    training there always is. A full training that was cut off goes on from where it was.
    """
    rng = np.random.default_rng(0)
    credit = np.zeros(len(full)) if signal.credit is None else signal.credit
    behind = []
    for _ in range(PLAYS):
        pool = rng.permutation(len(truth))[: round(POOL * len(truth))]
        order = pool if signal.first is None else pool[np.argsort(-signal.first[pool])]
        begun = np.cumsum(signal.seconds[order]) <= SCREENING_SHARE * seconds
        screened = order[: max(1, int(begun.sum()))]
        ranked = screened[np.argsort(-signal.scores[screened], kind="stable")]
        spent = signal.seconds[screened].sum() + np.cumsum(full[ranked] - credit[ranked])
        behind.append(truth[pool].max() - truth[ranked[: max(1, int((spent <= seconds).sum()))]].max())
    return float(np.mean(behind))


def main() -> None:
    parser = options(__doc__, seeds=2)
    parser.add_argument("--images", type=int, default=5_000, help="to train on, and as many to validate (%(default)s)")
    parser.add_argument("--epochs", type=int, default=12, help="of a full training (%(default)s)")
    parser.add_argument("--networks", type=int, default=5, help="of each family (%(default)s)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="no training is begun after so many")
    parser.add_argument("--keep", type=Path, help="a file of JSON lines: what it has is not run again, the rest added")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.networks, arguments.epochs, arguments.images, arguments.seeds = 2, 4, 256, 1
    facts = machine()
    with data_folder(arguments.data_dir) as folder:
        images = some(open_source("digits" if arguments.quick else "cifar10", data_dir=folder), 2 * arguments.images)
    height, width, channels = images.input_shape
    small = images_at(images, (height // 2, width // 2, channels))
    setting = Setting(Data.of(images), Data.of(small), arguments.epochs)
    space = Space.named("default")
    networks = chosen(space, Candidates(space, images.input_shape, images.classes, BUDGET), arguments.networks)
    print(
        f"\n{images.name}, {len(setting.data.images.learning):,} images to train and "
        f"{len(setting.data.validation):,} to validate on, full trainings of {setting.epochs} epochs"
    )
    setup = {name: getattr(arguments, name) for name in ("images", "epochs", "quick")}
    keeper = Keeper(setup, arguments.keep)
    began = time.monotonic()
    jobs: Iterable[tuple[Network, str, Way]] = chain(
        ((network, name, way) for network in networks for name, way in ({FULL: partial(fully, 0)} | WAYS).items()),
        ((network, name, way) for network in heirs(networks) for name, way in HEIR_WAYS.items()),
        ((network, of_seed(seed), partial(fully, seed)) for seed in range(1, arguments.seeds) for network in networks),
    )
    for network, name, way in jobs:
        if time.monotonic() - began < 60 * arguments.minutes:
            keeper.take(network, name, partial(way, setting, network))
    show_all(networks, keeper.readings, arguments.seeds, facts, setup, quick=arguments.quick)


def show_all(
    networks: Sequence[Network],
    readings: Readings,
    seeds: int,
    facts: dict[str, Any],
    setup: dict[str, Any],
    *,
    quick: bool,
) -> None:
    """Judge the networks that every way has looked at."""
    done = [network for network in networks if all((network.text, way) in readings for way in [FULL, *WAYS])]
    trained = [of_seed(seed) for seed in range(seeds)]
    trained = [way for way in trained if all((network.text, way) in readings for network in done)]
    ends = np.array([[readings[network.text, way][-1].score for network in done] for way in trained])
    full = np.array([readings[network.text, FULL][-1].seconds for network in done])
    truth: Floats = ends.mean(0)
    families = [network.family for network in done]
    found = signals(done, readings, truth)
    rows = {name: judged(signal, truth, families, full) for name, signal in found.items()}
    for way, scores in zip(trained[1:], ends[1:], strict=True):
        rows[f"{way}, against seed 0"] = judged(Signal(scores, full), ends[0], families, full)
    blind = judged(Signal(np.zeros(len(done)), np.zeros(len(done))), truth, families, full)
    rows["none, any order"] = replace(blind, regret=float(np.mean(truth.max() - truth)), regret_of_three=None)
    show_truths(done, truth, ends, full)
    show_signals(rows)
    took_over = {network.text: looks for network in networks if (looks := heir(network, readings))}
    show_heirs(took_over)
    conclude(
        "search_fidelity",
        facts,
        {
            "setup": setup,
            "networks": [
                {"network": network.text, "family": network.family, **network.costs, "truth": float(end)}
                for network, end in zip(done, truth, strict=True)
            ],
            "signals": {name: asdict(row) for name, row in rows.items()},
            "heirs": {name: [asdict(look) for look in looks.values()] for name, looks in took_over.items()},
        },
        bars(rows, took_over),
        quick=quick,
    )


def show_truths(networks: Sequence[Network], truth: Floats, ends: Floats, full: Floats) -> None:
    """The networks, best first."""
    print(f"\nfull trainings, accuracy on validation, mean of {len(ends)} seed(s)")
    rows = [
        (
            networks[place].text,
            percent(truth[place]),
            percent(ends[:, place].max() - ends[:, place].min()),
            *(f"{cost:,}" for cost in networks[place].costs.values()),
            f"{full[place]:.1f}",
        )
        for place in np.argsort(-truth)
    ]
    table(("", "truth", "seeds apart", *networks[0].costs, "seconds"), rows)


def show_signals(rows: dict[str, Judged]) -> None:
    print(
        "\nhow well each signal ranks them; regrets and errors in points, and how far searches of minutes stay behind"
    )
    titles = ("tau", "±", "in families", "best half", "regret", "of three", "error", "time")
    table(
        ("", *titles, *(f"{each} min" for each in MINUTES)),
        [
            (
                name,
                *map(two_digits, (row.tau, row.tau_error, row.tau_within, row.tau_of_best_half)),
                *map(in_points, (row.regret, row.regret_of_three, row.error)),
                f"{row.share:.1%}",
                *map(in_points, row.played or [None] * len(MINUTES)),
            )
            for name, row in rows.items()
        ],
    )


def two_digits(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def in_points(share: float | None) -> str:
    return two_digits(None if share is None else 100 * share)


def heir(network: Network, readings: Readings) -> dict[str, Look] | None:
    """What came of handing weights to a network, beside trainings of its own; None where that was not tried."""
    if any((network.text, way) not in readings for way in (THIRD, *HEIR_WAYS)):
        return None
    given = zip(HEIR_LOOKS, readings[network.text, HEIR], strict=True)
    return dict(given) | {way: readings[network.text, way][-1] for way in (THIRD, HALF)}


def show_heirs(took_over: dict[str, dict[str, Look]]) -> None:
    """Accuracy, loss and seconds of each, and the means."""
    if not took_over:
        return
    print("\nweights handed down: accuracy, loss and seconds")
    ways = [*HEIR_LOOKS, THIRD, HALF]
    means = {
        way: Look(*(statistics.fmean(values) for values in zip(*map(values_of, every), strict=True)))
        for way, every in ((way, [looks[way] for looks in took_over.values()]) for way in ways)
    }
    table(
        ("", *ways),
        [
            (name, *(f"{percent(look.score)} {look.loss:.3f} {look.seconds:.1f}" for look in looks.values()))
            for name, looks in (took_over | {"mean": means}).items()
        ],
    )


def values_of(look: Look) -> tuple[float, float, float]:
    return look.seconds, look.score, look.loss


def bars(rows: dict[str, Judged], took_over: dict[str, dict[str, Look]]) -> list[Bar]:
    """What the search's ladder lives on: its rungs rank as full trainings do, and are better than what is cheaper."""
    third, ninth = rows[THIRD], rows[NINTH]
    cut = max((row for name, row in rows.items() if name.startswith(f"{FULL} cut")), key=lambda row: row.tau)
    found = [
        Bar(f"{THIRD}: tau of 0.7", f"{third.tau:.2f} ± {third.tau_error:.2f}", third.tau >= 0.7),
        Bar(f"{NINTH}: tau of 0.5", f"{ninth.tau:.2f} ± {ninth.tau_error:.2f}", ninth.tau >= 0.5),
        Bar(
            f"{THIRD}: of the best three one is within a point of the best",
            f"{in_points(third.regret_of_three)} points",
            third.regret_of_three is not None and third.regret_of_three <= 0.01,
        ),
        Bar(
            "a schedule of its own ranks better than a full training that is cut, by more than chance",
            f"{third.tau:.2f} ± {third.tau_error:.2f} after {third.share:.0%}; {cut.tau:.2f} after {cut.share:.0%}",
            third.tau - cut.tau > third.tau_error,
        ),
    ]
    if took_over:
        gains = [looks[HEIR_LOOKS[-1]].score - looks[HALF].score for looks in took_over.values()]
        gain, ahead = statistics.fmean(gains), sum(each > 0 for each in gains)
        told = f"{100 * gain:+.2f} points, ahead with {ahead} of {len(gains)}"
        found.append(Bar("copied weights are worth more than the epochs that they took", told, 2 * ahead > len(gains)))
    return found


if __name__ == "__main__":
    main()
