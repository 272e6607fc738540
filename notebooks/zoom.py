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
# # Zoom
#
# How far can a picture be shrunk or enlarged about its center?
# Lines are the true class, its three strongest rivals, and the strongest of all others;
# where the ground is shaded, another class has the highest mean softmax.

# %% tags=["parameters"]
profile: str = None  # a file in profiles/; None: phantom, or the first with the classes
network: str = None  # name of a classifier; None: the profile's first
pictures: str = None  # a data set, or a folder of class folders; None: the profile's
classes: list[str] = None  # None: all of the profile's, its highlights in the first figure
magnitudes: list[float] = None  # factors, > 1 enlarges; None: the default sweep
fill: str = None  # outside a picture: zeros, edge, reflect or mean; None: the profile's
seed: int = None  # of the noise; None: the profile's
limit: int = None  # at most that many pictures per class; None: all of them

# %%
import itn
from itn import study

parameters = study.read_parameters(globals())

# %%
screening = study.obtain_screening(parameters, "zoom")
study.describe(screening)

# %%
study.show_figure(itn.plot_softmax(study.highlighted(screening, parameters)), "zoom")

# %% [markdown]
# Accuracy over all classes, with the two that lose least and most:

# %%
study.show_figure(itn.plot_accuracy(screening), "zoom_accuracy")

# %% [markdown]
# Thresholds: *switch*, where another class takes the lead; *half*, where half of the clean
# accuracy is lost. *Up* and *down* are the two directions away from the untouched picture.
# ‡: on the way more than a tenth of the pictures of other classes are taken for this one.

# %%
study.threshold_table(screening)

# %%
summary = study.threshold_summary(screening)
summary

# %%
study.glue_table(study.screening_summary(screening), ["categories"])
study.glue_table(summary, ["reached"], rows=["switch_up", "switch_down"])
study.glue_table(summary, ["median"])
