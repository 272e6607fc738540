"""Labels of ImageNet pictures that lie in one folder, as the validation set is delivered."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from itn.data_sets import imagenet_class
from itn.messages import UsageError

DEVELOPMENT_KIT = "ILSVRC2012_devkit_t12"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"  # of the kit: its own numbers, 1 … 1000
LABEL_FILES = (
    "imagenet_2012_validation_synset_labels.txt",
    "LOC_val_solution.csv",
    "val.txt",
    GROUND_TRUTH,
)


def find_label_file(folder: Path) -> Path | None:
    """Find the usual file of labels in a folder, beside it, or in the development kit there.

    Parameters
    ----------
    folder : Path
        Folder of pictures.

    Returns
    -------
    Path or None
        The first that is there.

    Examples
    --------
    >>> find_label_file(Path("src")) is None
    True
    """
    around = (folder, folder.resolve().parent)
    places = [place / part for place in around for part in ("", f"{DEVELOPMENT_KIT}/data")]
    found = (place / name for name in LABEL_FILES for place in places)
    return next(filter(Path.is_file, found), None)


def read_labels(path: str | Path, names: Sequence[str]) -> list[str]:
    r"""Read the label of every picture.

    Parameters
    ----------
    path : str or Path
        A text with one line per picture: the label, in the order of the names, or the name and
        the label, separated by blanks or a comma; what follows is not read. A label is a
        WordNet id, an index (0 … 999) or a name. In the development kit's own file it is
        another number, which ``meta.mat`` beside it explains.
    names : sequence of str
        File names of the pictures, sorted.

    Returns
    -------
    list of str
        WordNet ids.

    Raises
    ------
    UsageError
        If labels are missing, unknown or ambiguous, or there are too many.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "val.txt").write_text("a.jpg 805\nb.jpg crane\n")
    ...     read_labels(Path(folder, "val.txt"), ["a.jpg"])
    ['n04254680']
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UsageError(f"there is no file of labels {path}")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [re.split(r"[,\s]+", line.strip()) for line in lines if line.strip()]
    if all(len(row) == 1 for row in rows):
        if len(rows) != len(names):
            raise UsageError(f"{path} has {len(rows)} labels for {len(names)} pictures")
        given = [row[0] for row in rows]
    else:
        table = {PurePosixPath(row[0]).stem: row[1] for row in rows if len(row) > 1}
        stems = [PurePosixPath(name).stem for name in names]
        missing = [name for name, stem in zip(names, stems, strict=True) if stem not in table]
        if missing:
            raise UsageError(f"{path} has no label for {missing[0]} ({len(missing)} in all)")
        given = [table[stem] for stem in stems]
    ids = _ids_of_the_kit(path) if path.name == GROUND_TRUTH else {}
    for label in set(given) - set(ids):
        if path.name == GROUND_TRUTH:
            raise UsageError(f"{path}: {label} is not a class of meta.mat")
        try:
            ids[label] = imagenet_class(label).wnid
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error
    return [ids[label] for label in given]


def _ids_of_the_kit(path: Path) -> dict[str, str]:
    """Read which WordNet id the development kit's numbers stand for."""
    from scipy.io import loadmat  # half a second that few need to wait

    meta = path.with_name("meta.mat")
    if not meta.is_file():
        raise UsageError(f"{path.name} is of no use without the development kit's {meta}")
    try:
        synsets = loadmat(meta, squeeze_me=True, variable_names=["synsets"])["synsets"]
        pairs = zip(synsets["ILSVRC2012_ID"], synsets["WNID"], strict=True)
        return {str(int(number)): str(wnid) for number, wnid in pairs}
    except Exception as error:  # damaged files raise nearly anything
        raise UsageError(f"{meta} was not read: {error}") from error
