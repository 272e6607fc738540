"""How far a learned family goes, measured on pictures that neither trained nor chose it.

A *kind* is what moves: space alone, color alone, or both. In each kind the learned family stands
beside two others, all shrunk and stretched about the identity by common factors: random matrices
that displace as much, and the best of a grid of known transformations, found on the pictures by
which the learned family was chosen, with as many passes as its training took.

Whether a picture comes right, and keeps its class, is noted for each picture, so that intervals
can be over pictures.
"""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr
from keras import ops

from itn.displacement import Matrix, color_displacement, spatial_displacement
from itn.invariant_transformer import InvariantTransformerNet
from itn.looks import BATCH_SIZE, MatrixLook
from itn.pictures import Pictures
from itn.study.matrices import known_matrices, scaled_to

KINDS = ("space", "color", "both")
CRITERIA = ("accuracy", "consistency")
FAMILIES = ("learned", "random")
FACTORS = 2.0 ** np.arange(-2, 2.01, 0.5)  # by which families are shrunk and stretched
SHARE_HELD = {"accuracy": 0.95, "consistency": 0.95}  # of what it is on untouched pictures
STAGES = (6, 24, 96)  # of how many pictures a member of the grid is looked at on first
CORNERS = ((256, 8), (32, 32), (4, None))  # so many corners, on so many pictures; None: all
AT_ONCE = 8 * BATCH_SIZE
LOST_GRID = 64  # points along either side of a picture
Hits = npt.NDArray[np.bool_]


class Looks:
    """What a classifier says of pictures under matrices, beside their labels and as untouched."""

    def __init__(
        self, net: InvariantTransformerNet, pictures: Pictures, look: MatrixLook | None = None
    ) -> None:
        self.look = look or MatrixLook(net.classifier, net.options["fill"])  # compiled once
        self.pictures = pictures
        self.labels = net.classifier.logits_of(pictures)[pictures.labels]
        self.untouched = self.look.predicted(
            pictures.images, np.eye(2, 3)[None], np.eye(3, 4)[None]
        )

    def hits(self, spatial: Matrix, color: Matrix, rows: npt.NDArray[np.int64]) -> Hits:
        """Return whether each picture [row] is right, and is taken for what it was: [2, row]."""
        parts = []
        for start in range(0, len(rows), AT_ONCE):  # that many pictures are in memory
            part = slice(start, start + AT_ONCE)
            matrices = (m if len(m) == 1 else m[part] for m in (spatial, color))
            parts.append(self.look.predicted(self.pictures.images[rows[part]], *matrices))
        said = np.concatenate(parts)
        return np.stack([said == self.labels[rows], said == self.untouched[rows]])

    @property
    def clean_accuracy(self) -> float:
        """The accuracy on the pictures untouched."""
        return float((self.untouched == self.labels).mean())

    def levels(self) -> dict[str, float]:
        """Return what is to be held of accuracy and consistency."""
        clean = {"accuracy": self.clean_accuracy, "consistency": 1.0}
        return {name: SHARE_HELD[name] * clean[name] for name in CRITERIA}


class Member(NamedTuple):
    """A member of the grid: its name, and its matrices [1, …]."""

    name: str
    spatial: Matrix
    color: Matrix


def measure(
    net: InvariantTransformerNet, chosen_on: Pictures, reported_on: Pictures, looks: int, seed: int
) -> xr.Dataset:
    """Look at pictures under the learned and the random family, and under the worst corner.

    ``hits`` (kind, family, criterion, factor, picture) counts ``looks`` (an attribute) of each
    picture, each under control vectors of its own, the same in all kinds and at all factors.
    ``displacement`` (kind, family) is that at the factor 1. What is lost (picture), see
    `frame_lost` and `range_lost`, is of the learned family as learned, both kinds together;
    ``spatial_matrix`` and ``color_matrix`` (member) are its drawn members.
    """
    judge, count = Looks(net, reported_on), len(reported_on)
    rows = np.tile(np.arange(count), looks)
    controls = map(ops.convert_to_numpy, net.draw_controls(len(rows), seed))
    learned = net.matrices(*controls)
    rng = np.random.default_rng(seed)
    random = tuple(
        scaled_to(rng.standard_normal(matrix.shape), measured(matrix))
        for matrix, measured in zip(
            learned, (spatial_displacement, color_displacement), strict=True
        )
    )
    hits = np.zeros((len(KINDS), 2, 2, len(FACTORS), count), np.uint8)
    displacement = np.zeros((len(KINDS), 2))
    for (i, kind), (j, family) in itertools.product(enumerate(KINDS), enumerate((learned, random))):
        displacement[i, j] = sizes_of(kind, *family).mean()
        hits[i, j] = curves(judge, kind, family, rows, looks)
    corner = worst_corner(net, Looks(net, chosen_on, judge.look))
    matrices = net.matrices(*(each[None] for each in corner))
    lost = frame_lost(learned[0]), range_lost(reported_on.images[:][rows], learned[1])
    return xr.Dataset(
        {
            "hits": (("kind", "family", "criterion", "factor", "picture"), hits),
            "displacement": (("kind", "family"), displacement),
            "corner": ("control", np.concatenate(corner)),
            "corner_hits": (
                ("criterion", "picture"),
                judge.hits(*matrices, np.arange(count)).astype(np.uint8),
            ),
            "corner_displacement": ("kind", [sizes_of(k, *matrices).item() for k in KINDS]),
            "frame_lost": ("picture", lost[0].reshape(looks, count).mean(axis=0)),
            "range_lost": ("picture", lost[1].reshape(looks, count).mean(axis=0)),
            "spatial_matrix": (("member", "row", "column"), learned[0].astype("float32")),
            "color_matrix": (("member", "channel", "channel_or_1"), learned[1].astype("float32")),
        },
        coords={"kind": list(KINDS), "family": list(FAMILIES), "criterion": list(CRITERIA)}
        | {"factor": FACTORS},
        attrs={"looks": looks},
    )


def sizes_of(kind: str, spatial: Matrix, color: Matrix) -> Matrix:
    """Return how far the members of a family move things of a kind; both kinds are added."""
    sizes = {"space": spatial_displacement(spatial), "color": color_displacement(color)}
    return sizes[kind] if kind in sizes else sizes["space"] + sizes["color"]


def curves(
    judge: Looks, kind: str, family: tuple[Matrix, ...], rows: npt.NDArray[np.int64], looks: int
) -> npt.NDArray[np.uint8]:
    """Count the hits [criterion, factor, picture] of a family of which only one kind moves."""
    found = []
    for factor in FACTORS:
        moved = [
            np.eye(*m.shape[1:])
            + (factor if kind in (name, "both") else 0) * (m - np.eye(*m.shape[1:]))
            for name, m in zip(KINDS, family, strict=False)
        ]
        hits = judge.hits(moved[0], moved[1], rows)
        found.append(hits.reshape(2, looks, -1).sum(axis=1))
    return np.stack(found, axis=1).astype(np.uint8)


def measure_known(
    net: InvariantTransformerNet, chosen_on: Pictures, reported_on: Pictures, passes: int
) -> xr.Dataset:
    """Find the best of the grid of known transformations, and look at pictures under it.

    For each kind and criterion the largest ``member`` whose share on the pictures to choose by is
    the one to be held, "" if the passes were used up before; ``passes_used`` (kind) counts them.
    ``hits`` (kind, criterion, factor, picture) are on the others; ``right`` (picture) untouched.
    """
    judge = Looks(net, reported_on)
    chooser = Looks(net, chosen_on, judge.look)
    shape, count = (len(KINDS), len(CRITERIA)), len(reported_on)
    hits = np.zeros((*shape, len(FACTORS), count), np.uint8)
    member, displacement = np.full(shape, "", object), np.full(shape, np.nan)
    used = np.zeros(len(KINDS), int)
    for i, kind in enumerate(KINDS):
        found, used[i] = best_of_grid(chooser, kind, passes, chooser.levels())
        for j, one in enumerate(found):
            if one is None:
                continue
            member[i, j], *matrices = one
            displacement[i, j] = sizes_of(kind, *matrices).item()
            hits[i, j] = curves(judge, kind, tuple(matrices), np.arange(count), 1)[j]
    return xr.Dataset(
        {
            "member": (("kind", "criterion"), member.astype(str)),
            "displacement": (("kind", "criterion"), displacement),
            "hits": (("kind", "criterion", "factor", "picture"), hits),
            "passes_used": ("kind", used),
            "right": ("picture", judge.untouched == judge.labels),
        },
        coords={"kind": list(KINDS), "criterion": list(CRITERIA), "factor": FACTORS},
        attrs={"passes": passes, "looks": 1},
    )


def best_of_grid(
    chooser: Looks, kind: str, passes: int, levels: Mapping[str, float]
) -> tuple[list[Member | None], int]:
    """Return the largest member that holds a level, for each criterion, and the passes it took.

    The largest first, each on more and more pictures for as long as it may still hold; None where
    the passes are used up before. The identity, which always holds, is none of the members.
    """
    criteria, required = [CRITERIA.index(name) for name in levels], np.array([*levels.values()])
    mixed = np.random.default_rng(0).permutation(len(chooser.labels))
    ends = [*(each for each in STAGES if each < len(mixed)), len(mixed)]
    found: list[Member | None] = [None] * len(levels)
    left = passes
    for member in members_of(kind):
        hits, may = np.zeros(len(levels)), np.array([one is None for one in found])
        for start, end in itertools.pairwise([0, *ends]):
            if left < end - start:
                return found, passes - left
            left -= end - start
            each = chooser.hits(member.spatial, member.color, mixed[start:end])
            hits += each[criteria].sum(axis=1)
            spread = np.sqrt(required * (1 - required) / end) if end < len(mixed) else 0.0
            may &= hits / end >= required - 2 * spread
            if not may.any():
                break
        for j in np.flatnonzero(may):
            found[j] = member
        if None not in found:
            break
    return found, passes - left


def members_of(kind: str) -> list[Member]:
    """List the members of the grid of a kind, the largest first."""
    spatial, color, spatial_names, color_names = known_matrices()
    pairs = [
        Member(", ".join(n for n in names if n != "identity"), spatial[[i]], color[[j]])
        for (i, s), (j, c) in itertools.product(enumerate(spatial_names), enumerate(color_names))
        if (names := (s, c)) != ("identity", "identity")
        and (kind == "both" or (c if kind == "space" else s) == "identity")
    ]
    sizes = [sizes_of(kind, each.spatial, each.color).item() for each in pairs]
    return [pairs[index] for index in np.argsort(-np.array(sizes), kind="stable")]


def worst_corner(
    net: InvariantTransformerNet, chooser: Looks
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Search the corner (α, β) of the control cube at which fewest pictures keep their class.

    All corners, or 256 drawn ones where there are more, are looked at on a few pictures, the worst
    of them on more. Then one control value after the other is flipped for as long as that makes
    it worse.
    """
    dims = net.spatial.control_dim, net.color.control_dim
    size, rng = sum(dims), np.random.default_rng(0)
    (most, _), *_ = CORNERS
    corners = (
        np.array(list(itertools.product((0, 1), repeat=size)))
        if 2**size <= most
        else rng.integers(2, size=(most, size))
    ).astype("float32")
    mixed = rng.permutation(len(chooser.labels))

    def kept(some: npt.NDArray[np.float32], number: int | None) -> npt.NDArray[np.int64]:
        rows = mixed[:number]
        spatial, color = net.matrices(some[:, : dims[0]], some[:, dims[0] :])
        every = np.tile(rows, len(some))
        hits = chooser.hits(spatial.repeat(len(rows), 0), color.repeat(len(rows), 0), every)[1]
        return np.asarray(hits.reshape(len(some), -1).sum(axis=1))

    for number, pictures in CORNERS:
        order = np.argsort(kept(corners, pictures), kind="stable")
        corners = corners[order[: max(1, number // 8)]]
    worst, fewest = corners[0], kept(corners[:1], None)[0]
    while True:
        flipped = np.abs(worst - np.eye(size, dtype="float32"))
        counts = kept(flipped, None)
        if counts.min() >= fewest:
            return worst[: dims[0]], worst[dims[0] :]
        worst, fewest = flipped[counts.argmin()], counts.min()


def frame_lost(spatial: Matrix) -> npt.NDArray[np.float64]:
    """Return which share of a picture's area is read nowhere within the frame, for each matrix.

    A point q of the picture is seen at ``L^-1 (q - t)`` for ``A = [L, t]``, and lost where that is
    outside of [-1, 1]².
    """
    ticks = (np.arange(LOST_GRID) + 0.5) / LOST_GRID * 2 - 1
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    content = np.linalg.inv(spatial[:, :, :2])
    seen = np.einsum("mrc,mpc->mpr", content, points - spatial[:, None, :, 2])
    return np.asarray((np.abs(seen) > 1).any(axis=2).mean(axis=1))


def range_lost(images: npt.NDArray[np.float32], color: Matrix) -> npt.NDArray[np.float64]:
    """Return which share of a picture's values leaves [0, 1], for each picture and its matrix."""
    few = images[:, ::4, ::4].reshape(len(images), -1, 3)
    moved = np.einsum("nrc,npc->npr", color[:, :, :3], few) + color[:, None, :, 3]
    outside = (moved < -1e-6) | (moved > 1 + 1e-6)
    return np.asarray(outside.mean(axis=(1, 2)))
