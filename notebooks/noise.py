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
# # Gaussian noise
#
# How much noise can be added to every value of a picture?
# Lines are named at their ends: the true class, its three strongest rivals, and the strongest of
# all others; where the ground is shaded, another class has the highest mean softmax.
# Then one picture, not of the screening: untouched, where a class loses half of its accuracy and
# where another takes the lead, and at the end of the sweep; below it what the network says.

# %% tags=["parameters", "together"]
profile: str = None  # a file in profiles/; None: phantom, or the first with the classes
network: str = None  # name of a classifier; None: the profile's, as far as they are archived
pictures: str = None  # a data set, or a folder of class folders; None: the profile's
classes: list[str] = None  # None: all of the profile's, its highlights in the first figure
magnitudes: list[float] = None  # standard deviations; None: the default sweep
fill: str = None  # outside a picture: zeros, edge, reflect or mean; None: the profile's
seed: int = None  # of the noise; None: the profile's
limit: int = None  # at most that many pictures per class; None: all of them
example: str = None  # name of a picture shown at the thresholds; None: one that suits

# %%
from itn import study

parameters = study.read_parameters(globals())

# %%
screenings = study.obtain_screenings(parameters, "noise")
study.describe_all(screenings)

# %%
strips = study.look_at_thresholds(screenings, parameters)
wide = study.plot_main_figure(screenings, parameters, strips)
narrow = study.plot_main_figure(screenings, parameters, strips, columns=1)
study.show_figure(wide, "noise_networks", narrow)

# %% [markdown]
# Thresholds: *switch*, where another class takes the lead; *half*, where half of the clean
# accuracy is lost. *Up* and *down* are the two directions away from the untouched picture.
# ‡: on the way more than a tenth of the pictures of other classes are taken for this one.

# %%
study.of_each(study.threshold_table, screenings)

# %%
summary = study.of_each(study.threshold_summary, study.alike(screenings))
summary

# %%
first = next(iter(screenings.values()))
own = study.threshold_summary(first)
study.glue_table(study.screening_summary(first), ["categories"])
study.glue_networks(summary, ["reached"], rows=["switch_up"])
study.glue_networks(summary, ["median"], rows=["half_up"])
study.glue_table(own, ["median", "untouched"], rows=["switch_up"])
study.glue_table(study.threshold_table(first), ["clean accuracy"], rows=["ant"])
study.glue_table(own, ["nearest", "nearest category"], rows=["switch_up"])
study.glue_table(own, ["farthest", "farthest category"], rows=["switch_up"])
