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
# # The paper's own figures
#
# What its own networks say of ImageNet's pictures under noise, rotation, zoom and translation,
# where they have been screened. Lines are the true class, its three strongest rivals, and the
# strongest of all others; where the ground is shaded, another class has the highest mean softmax.

# %% tags=["parameters", "needs-each_network"]
profile: str = "paper"  # whose screenings are shown: a file in profiles/
network: str = None  # name of a classifier; None: the profile's first

# %%
from itn import study

parameters = study.read_parameters(globals())
study.show_paper_figure(parameters)
