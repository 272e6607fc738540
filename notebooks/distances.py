# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # All transformations on one axis
#
# At which distance from the original does each transformation lose a class? Degrees, factors and
# standard deviations are told in the root mean square (RMS) change of a picture's values.

# %% tags=["parameters", "together"]
profile: str = None  # a file in profiles/; None: phantom, or the first with the classes
network: str = None  # name of a classifier; None: the profile's, as far as they are archived
pictures: str = None  # a data set, or a folder of class folders; None: the profile's
classes: list[str] = None  # classes to show; None: all of the profile's
fill: str = None  # outside a picture: zeros, edge, reflect or mean; None: the profile's
seed: int = None  # of the noise; None: the profile's
limit: int = None  # at most that many pictures per class; None: all of them
criterion: str = "half"  # half: of the accuracy is lost; switch: a rival has overtaken
intervals: bool = False  # whether the 95 % interval stands in each cell of the heat map

# %%
from itn import study

parameters = study.read_parameters(globals(), study.DistanceParameters)
networks = study.put_on_one_axis(parameters)

# %% [markdown]
# How far the pictures of each class are from the originals where the class is lost, in per cent of
# the full range. Hatched: it is not lost within the sweep, in which its pictures get as far as
# that. ‡: on the way more than a tenth of the pictures of other classes are taken for it.

# %%
wide = study.plot_distances(networks, parameters.intervals)
narrow = study.plot_distances(networks, parameters.intervals, across=7)
each = study.of_each(study.OneAxis.each, networks)
study.show_figure(wide, "distances", narrow, each)

# %% [markdown]
# Each threshold in its own unit and as a distance, both with their 95 % intervals. A distance
# *returns* where it has been greater on the way.

# %%
each

# %% [markdown]
# Transformations in the order of the distance at which the median class is lost, with its 95 %
# interval over classes and pictures. Arrows: growing and falling magnitude.

# %%
ranking = study.of_each(study.OneAxis.ranks, networks)
narrow = study.plot_ranking(networks, inside=True)
study.show_figure(study.plot_ranking(networks), "ranking", narrow, ranking)

# %%
study.save_table(study.of_each(study.OneAxis.texts, networks), "ranking")

# %%
study.glue_networks(ranking, ["median", "low", "high"], rows=["blur_up", "noise_up"])
study.glue_networks(ranking, ["lost", "classes"], rows=["brightness_up"])
texts = study.of_each(study.OneAxis.texts, networks)  # at least so far, where it is not lost
study.glue_networks(texts, ["RMS distance"], rows=["rotation_up", "translation_x_up"])

# %%
summary = study.of_each(study.OneAxis.summary, networks)
study.glue_networks(summary)
summary
