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
# # One class alone
#
# Does an Invariant Transformer Net discover the symmetry of an object? It learns from pictures
# of one class alone: one that looks the same however it is turned, and one that does not.

# %% tags=["parameters"]
profile: str = "phantom"  # which network learns on which pictures: a file in profiles/
network: str = None  # name of a classifier; None: the profile's first
classes: list[str] = ["disc", "zoom_large"]  # one after the other; None: the highlights
spatial_dim: int = None  # number p of control values α; None: 4
color_dim: int = None  # number q of control values β; None: 4
color_weight: float = 0.0  # λ, how much color counts; None: the profile's
required_accuracy: float = None  # a₀; None: 0.95 times the clean accuracy
fill: str = None  # outside a picture: zeros, edge, reflect or mean; None: zeros
epochs: int = None  # how often each picture is seen; None: the profile's
seeds: list[int] = [0]  # one training each; None: the profile's
limit: int = None  # at most that many pictures per class; None: the profile's

# %%
from IPython.display import SVG

import itn

parameters = itn.read_parameters(globals(), itn.TransformerParameters)

# %%
alone = itn.study_single_classes(parameters)

# %% [markdown]
# How far the content turns, and how it is stretched, along each control value:

# %%
SVG(itn.save_figure(itn.plot_single_classes(alone), "itn_symmetry"))

# %%
itn.glue_numbers(itn.single_class_numbers(alone))
