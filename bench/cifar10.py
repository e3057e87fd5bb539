"""CIFAR-10 (40,000 training images, batch 5 held out): the accuracy that two networks reach within ten epochs.

Selection sees the validation part only, against the plain PyTorch loop with SGD and as many epochs. With `--final`
each network is then trained on all 40,000 images, and the held-out batch is opened once for its figure.
"""

from __future__ import annotations

from accuracy import Claim, final, study
from measure import conclude, data_folder, machine, options, read

EPOCHS = 10
CLAIMS = (
    Claim("vgg:widths=64-128,dense=1024-1024,dropout=0.65", 0.72, epochs=EPOCHS),
    Claim("resnet8", 0.84, epochs=EPOCHS),
)


def main() -> None:
    parser = options(__doc__, seeds=2)
    parser.add_argument("--only", choices=[claim.family for claim in CLAIMS], help="one of the networks")
    parser.add_argument("--no-peer", action="store_true", help="leave the plain loop out")
    parser.add_argument("--final", action="store_true", help="open the held-out batch, once for each network")
    arguments = parser.parse_args()
    facts = machine()
    results, bars = {}, []
    with data_folder(arguments.data_dir) as folder:
        images = read("cifar10", folder, quick=arguments.quick)
        for claim in CLAIMS:
            if arguments.only not in (None, claim.family):
                continue
            results[claim.family], judged = study(
                claim,
                images,
                seeds=range(1 if arguments.quick else arguments.seeds),
                optimizer=None if arguments.no_peer else "sgd",
                quick=arguments.quick,
            )
            bars += judged
            if arguments.final:
                results[claim.family]["final"], bar = final(claim, images, quick=arguments.quick)
                bars.append(bar)
    conclude("cifar10", facts, results, bars, quick=arguments.quick)


if __name__ == "__main__":
    main()
