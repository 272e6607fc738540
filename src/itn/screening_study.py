"""Screenings and pictures that a profile asks for: from the archive where they are there."""

from typing import Any

import xarray as xr

from itn.classifiers import load_classifier
from itn.images import Pictures, load_images
from itn.profiles import FigureParameters, Profile, archive_file, load_profile, project_folder
from itn.screening import load_screening, screen, select_categories
from itn.splits import read_split
from itn.transformations import find_transformation


def load_part(profile: Profile, part: str, **options: Any) -> Pictures:
    """Load a profile's pictures.

    Parameters
    ----------
    profile : Profile
        Whose pictures.
    part : {"training", "test"}
        Which ones, where the profile splits them; otherwise all.
    **options
        As for `itn.load_images`.

    Returns
    -------
    Pictures
        Those of all its classes, unless the options say otherwise.

    Examples
    --------
    >>> load_part(load_profile("photos"), "test", size=64)  # doctest: +SKIP
    <Pictures 'caltech-101': 692 of 64 × 64 pixels in 24 classes>
    """
    if profile.split is not None:
        options["only"] = read_split(project_folder() / "profiles" / profile.split, part)
    return load_images(profile.pictures, **{"classes": profile.classes} | options)


def obtain_screening(parameters: FigureParameters, transformation: str) -> xr.Dataset:
    """Take a screening from the archive where it is there, else compute it.

    The archive serves when nothing that it depends on deviates from the profile; fewer
    classes than the profile's are a selection from it.

    Parameters
    ----------
    parameters : FigureParameters
        From `read_parameters`.
    transformation : str
        A key of `itn.TRANSFORMATIONS`.

    Returns
    -------
    xarray.Dataset
        As returned by `itn.screen`. Its attribute ``origin`` says "archived" or "computed".

    Examples
    --------
    >>> from itn.profiles import read_parameters
    >>> parameters = read_parameters({"profile": "imagenet", "classes": ["starfish"]})
    >>> obtain_screening(parameters, "rotation").category.values.tolist()
    ['starfish']
    """
    find_transformation(transformation)
    profile = load_profile(parameters.profile)
    network = parameters.network or profile.networks[0]
    classes = parameters.classes or profile.classes
    archive = archive_file(parameters.profile, network, transformation)
    deviations = [
        name
        for name in ("pictures", "magnitudes", "fill", "seed", "limit")
        if getattr(parameters, name) not in (None, getattr(profile, name, None))
    ]
    if archive.is_file() and not deviations:
        screening = select_categories(load_screening(archive), classes)
        return screening.assign_attrs(origin="archived")
    return compute_screening(parameters, transformation).assign_attrs(origin="computed")


def highlighted(screening: xr.Dataset, parameters: FigureParameters) -> xr.Dataset:
    """Return the part of a screening that a main figure shows.

    Parameters
    ----------
    screening : xarray.Dataset
        From `obtain_screening`.
    parameters : FigureParameters
        From `read_parameters`.

    Returns
    -------
    xarray.Dataset
        The profile's highlights, or all that was screened where the parameters name classes
        or pictures of their own.

    Examples
    --------
    >>> from itn.profiles import read_parameters
    >>> parameters = read_parameters({"profile": "imagenet"})
    >>> highlighted(obtain_screening(parameters, "zoom"), parameters).category.values.tolist()
    ['soccer_ball', 'grand_piano']
    """
    if parameters.classes is not None or parameters.pictures is not None:
        return screening
    return select_categories(screening, load_profile(parameters.profile).highlights)


def compute_screening(parameters: FigureParameters, transformation: str) -> xr.Dataset:
    """Screen the network and pictures that the parameters ask for.

    Parameters
    ----------
    parameters : FigureParameters
        From `read_parameters`.
    transformation : str
        A key of `itn.TRANSFORMATIONS`.

    Returns
    -------
    xarray.Dataset
        As returned by `itn.screen`.

    Examples
    --------
    >>> parameters = FigureParameters(profile="imagenet", limit=2)
    >>> compute_screening(parameters, "rotation")  # doctest: +SKIP
    """
    profile = load_profile(parameters.profile)
    network = parameters.network or profile.networks[0]
    classifier = load_classifier(network, profile.weights.get(network))
    classes = parameters.classes
    size, limit = classifier.input_size, parameters.limit or profile.limit
    if parameters.pictures is None:
        classes = classes or profile.classes
        pictures = load_part(profile, "test", classes=classes, size=size, limit=limit)
    else:
        pictures = load_images(parameters.pictures, classes=classes, size=size, limit=limit)
    screening = screen(
        classifier,
        pictures,
        transformation,
        parameters.magnitudes,
        fill=parameters.fill or profile.fill,
        seed=profile.seed if parameters.seed is None else parameters.seed,
    )
    if classes is None:
        return screening
    # Pictures are sorted; the reader wants the order and the names that were asked for.
    asked = {pictures.class_named(name): name for name in classes}
    return select_categories(screening, list(asked)).assign_coords(category=list(asked.values()))
