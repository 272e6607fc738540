"""How far apart are two trainings of the same network? Writes results/photos/seeds.tsv.

The smaller network of the profile `photos` is trained anew from two other seeds, and each result
is screened on the same pictures as the network of the package. The cards of the trainings lie
beside the table. What was finished before a stop is not done again; an hour on two cores.
"""

import shutil
from pathlib import Path

import pandas as pd

import itn
from itn import training
from itn.comparison import threshold_pairs
from itn.images import SHORTER_SIDE_PER_SIZE
from itn.screening_study import load_part

PROFILE, NETWORK, ARCHITECTURE = "photos", "alexnet_photos", "alexnet_64"
SEEDS = (1, 2)  # beside that of the package, 0
RESULTS = Path(__file__).parents[1] / "results" / PROFILE


def main() -> None:
    profile = itn.load_profile(PROFILE)
    assert profile.training is not None
    side = round(training.INPUT_SIZE * SHORTER_SIDE_PER_SIZE)
    pictures = load_part(profile, "training", size=side, shorter_side=side)
    others = load_part(profile, "test", size=training.INPUT_SIZE)
    options = profile.training.options(ARCHITECTURE)
    tables = []
    for seed in SEEDS:
        folder = RESULTS / ".seeds" / str(seed)
        if not (folder / f"{ARCHITECTURE}.json").is_file():
            training.train(
                ARCHITECTURE,
                pictures,
                others,
                folder=folder,
                data={"profile": PROFILE},
                command="python benchmarks/seeds.py",
                **options | {"seed": seed},
            )
        classifier = itn.load_classifier(NETWORK, folder)
        for name in itn.TRANSFORMATIONS:
            path = folder / f"{name}.nc"
            if not path.is_file():
                found = itn.screen(classifier, others, name, fill=profile.fill, seed=profile.seed)
                itn.save_screening(found, path)
            own = itn.load_screening(itn.archive_file(PROFILE, NETWORK, name))
            pairs = threshold_pairs(own, itn.load_screening(path))
            tables.append(pairs.assign(seed=seed))
    for seed in SEEDS:
        card = RESULTS / ".seeds" / str(seed) / f"{ARCHITECTURE}.json"
        shutil.copyfile(card, RESULTS / f"{ARCHITECTURE}_seed_{seed}.json")
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(RESULTS / "seeds.tsv", sep="\t", index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
