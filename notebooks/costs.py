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
conditions = study.cost_conditions(parameters)
conditions

# %%
study.glue_table(conditions)

# %% [markdown]
# Time: multiplications of a pass in thousand millions; processor seconds per thousand passes,
# summed over cores; core-hours for the rotation of the 50 pictures of one class and core-days for
# all transformations of 50,000, by the measured time where there is one.

# %%
costs = study.cost_table(parameters)
shown = study.cost_texts(costs)
pace = ["10⁹ multiplications", "seconds measured", "seconds extrapolated"]
time = ["pixels", *pace, "hours for one class", "days for everything"]
study.save_table(shown[time], "costs_time")

# %% [markdown]
# Memory: parameters in millions; peak of a process in GB.

# %%
study.save_table(shown[["10⁶ parameters", "GB measured", "GB extrapolated"]], "costs_memory")

# %%
checked = costs.dropna().drop("squeezenet")
study.glue_table(checked, ["seconds measured", "seconds extrapolated"])
