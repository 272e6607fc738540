"""Archives that grow: some categories today, others another day, in one file.

For profiles whose screenings take days (`by_category`). What is archived already is not computed
again; a file holds what screening all of its categories at once would have given.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import xarray as xr

from itn.netcdf import read_netcdf
from itn.provenance import environment
from itn.study.archive import Request, archive, keep
from itn.study.inputs import inputs_of
from itn.study.profiles import FigureParameters, load_profile
from itn.study.screenings import as_archived, screening_request
from itn.study.shards import OF_THE_WHOLE, joined, outline


def archive_categories(
    parameters: FigureParameters, transformation: str, force: bool = False
) -> tuple[Request, bool]:
    """Archive a screening of a profile's classes, or of those that are asked for and were before.

    Returns what is archived then, and whether anything was computed.
    """
    profile = load_profile(parameters.profile)
    plain = parameters.model_copy(update={"classes": None})
    there = as_archived(plain, transformation).classes or ()
    asked = parameters.classes or profile.classes
    wanted = tuple(name for name in profile.classes if name in {*asked, *there})
    whole = plain.model_copy(update={"classes": wanted})
    request = screening_request(whole, transformation)
    missing = tuple(name for name in wanted if name not in there)
    if there and missing and not force:
        more = screening_request(plain.model_copy(update={"classes": missing}), transformation)
        request = replace(request, compute=partial(_grown, whole, request, more))
    return request, archive(request, force)


def _grown(
    parameters: FigureParameters, request: Request, more: Request, state: Path
) -> xr.Dataset:
    """Put what is archived together with what is missing, which is kept when it is computed."""
    parts = [read_netcdf(path).to_dataset() for path in (request.archive, keep(more))]
    whole = outline(inputs_of(parameters, request.recipe))["attributes"]
    return put_together(parts, list(request.recipe["classes"])).assign_attrs(whole)


def put_together(parts: Sequence[xr.Dataset], categories: Sequence[str]) -> xr.Dataset:
    """Put screenings of different categories together that were computed at different times.

    Of what computed them, every answer is noted where they differ.
    """
    circumstances = tuple(environment())
    whole = joined(parts, categories, (*OF_THE_WHOLE, *circumstances, "recipe", "archive"))
    made = {
        key: "; ".join(dict.fromkeys(str(part.attrs[key]) for part in parts))
        for key in circumstances
    }
    return whole.assign_attrs(made)
