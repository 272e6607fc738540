"""Which classes of a set of pictures are ImageNet's, and by what other names they go."""

from collections.abc import Iterable, Mapping

from itn.messages import UsageError, shown
from itn.zoo.catalog import imagenet_class, imagenet_classes, is_imagenet_name, read_table


def find_targets(data_set: str, class_names: Iterable[str]) -> dict[str, str]:
    """Return the WordNet id of each class that is ImageNet's, by the table of its data set."""
    if data_set == "caltech-101":
        table = {row["category"]: row["wnid"] for row in read_table("caltech_imagenet")}
    else:
        table = {entry.wnid: entry.wnid for entry in imagenet_classes()}
    return {name: table[name] for name in class_names if name in table}


def class_called(given: str | int, targets: Mapping[str, str], every: bool) -> str | None:
    """Find the class that a label, WordNet id or index of ImageNet means.

    Where `every` class is ImageNet's, any other name is an error.
    """
    if not targets or not (every or is_imagenet_name(given)):
        return None
    wnid = imagenet_class(given).wnid
    found = [name for name, known in targets.items() if known == wnid]
    if len(found) > 1:
        raise UsageError(f"'{shown(str(given))}' is {' and '.join(found)} here: say which")
    return found[0] if found else None
