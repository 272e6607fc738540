"""Files of a small project: a profile, and pictures of noise in folders of classes."""

import numpy as np
from PIL import Image


def write_pictures(folder, classes, count=2):
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(count):
            picture = rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / name / f"{i}.png")


def write_profile(folder, name="toy", **changes):
    contents = {
        "description": "Colors of noise",
        "networks": ["tiny", "huge"],
        "pictures": str(folder / "pictures"),
        "classes": ["red", "green", "blue"],
        "highlights": ["blue"],
        **changes,
    }
    lines = [f"{key}: {value!r}" for key, value in contents.items() if value is not None]
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / f"{name}.yaml").write_text("\n".join(lines))
