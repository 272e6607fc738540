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
# # Costs
#
# What it costs to screen the networks of ImageNet: time and memory of some, as
# `benchmarks/costs.py` has measured them, and of all, extrapolated from SqueezeNet.

# %% tags=["parameters", "needs-costs.json"]
profile: str = "imagenet"  # whose results/<profile>/costs.json is shown

# %%
from itn import study

parameters = study.read_parameters(globals())
costs = study.cost_table(parameters)
costs.attrs["machine"]

# %% [markdown]
# Multiplications in thousand millions and parameters in millions; processor seconds per thousand
# passes, summed over cores; memory in GB; core-hours for the rotation of 50 pictures and
# core-days for all transformations of 50,000, by the measured time where there is one.

# %%
costs.round(3)

# %%
study.glue_numbers(study.cost_numbers(costs))
