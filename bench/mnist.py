"""MNIST: the accuracy that small networks reach on the validation part with their default recipes.

Against the plain PyTorch loop with Adam and as many epochs. The test part stays sealed.
"""

from __future__ import annotations

from accuracy import Claim, study
from measure import conclude, data_folder, machine, options, read

CLAIMS = (
    Claim("mlp:hidden=80-60-50", 0.987),
    Claim("squeezenet", 0.99, epochs=8, minutes=5),
    Claim("mobilenetv2:stem=imagenet", 0.99, epochs=5, minutes=5),
)


def main() -> None:
    parser = options(__doc__, seeds=3)
    parser.add_argument("--only", choices=[claim.family for claim in CLAIMS], help="one of the networks")
    parser.add_argument("--no-peer", action="store_true", help="leave the plain loop out")
    arguments = parser.parse_args()
    facts = machine()
    results, bars = {}, []
    with data_folder(arguments.data_dir) as folder:
        images = read("mnist", folder, quick=arguments.quick)
        for claim in CLAIMS:
            if arguments.only not in (None, claim.family):
                continue
            results[claim.family], judged = study(
                claim,
                images,
                seeds=range(1 if arguments.quick else arguments.seeds),
                optimizer=None if arguments.no_peer else "adam",
                quick=arguments.quick,
            )
            bars += judged
    conclude("mnist", facts, results, bars, quick=arguments.quick)


if __name__ == "__main__":
    main()
