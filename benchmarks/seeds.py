"""How far apart are two trainings of the same network? Writes results/photos/seeds.tsv.

The smaller network of the profile `photos` is trained anew from two other seeds, and each result
is screened on the same pictures as the network of the package. The cards of the trainings lie
beside the table. What was finished before a stop is not done again; half an hour on two cores.
"""

import shutil
from pathlib import Path

import pandas as pd

import itn
from itn.command_line import train_profile
from itn.comparison import threshold_pairs
from itn.screening_study import load_part

PROFILE, NETWORK, ARCHITECTURE = "photos", "alexnet_photos", "alexnet_64"
SEEDS = (1, 2)  # beside that of the package, 0
RESULTS = Path(__file__).parents[1] / "results" / PROFILE


def main() -> None:
    profile = itn.load_profile(PROFILE)
    tables = []
    for seed in SEEDS:
        folder = RESULTS / ".seeds" / str(seed)
        card = folder / f"{ARCHITECTURE}.json"
        train_profile(PROFILE, [ARCHITECTURE], folder, seed)  # if it is not there
        classifier = itn.load_classifier(NETWORK, folder)
        pictures = load_part(profile, "test", size=classifier.input_size)
        for name in itn.TRANSFORMATIONS:
            path = folder / f"{name}.nc"
            if not path.is_file() or not _is_of(path, classifier):
                found = itn.screen(classifier, pictures, name, fill=profile.fill, seed=profile.seed)
                itn.save_screening(found, path)
            own = itn.load_screening(itn.archive_file(PROFILE, NETWORK, name))
            pairs = threshold_pairs(own, itn.load_screening(path))
            tables.append(pairs.assign(seed=seed))
        shutil.copyfile(card, RESULTS / f"{ARCHITECTURE}_seed_{seed}.json")
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(RESULTS / "seeds.tsv", sep="\t", index=False, float_format="%.6g")


def _is_of(path: Path, classifier: itn.Classifier) -> bool:
    return bool(itn.load_screening(path).attrs["weights_sha256"] == classifier.weights_hash())


if __name__ == "__main__":
    main()
