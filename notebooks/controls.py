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
# # Controls
#
# How much of a threshold is the doing of the procedure? Some of the pictures once more, with
# something else outside them, with values clipped, or moved there and back, so that nothing but
# the interpolation is left.

# %% tags=["parameters"]
profile: str = "photos"  # a file in profiles/
network: str = None  # name of a classifier; None: the profile's first
limit: int = None  # the first so many pictures of each class; None: ten

# %%
from itn import study

parameters = study.read_parameters(globals())
controls = study.obtain_controls(parameters)

# %% [markdown]
# Accuracy of all pictures; the band is the 95 % Clopper–Pearson interval of the screening.

# %%
study.show_figure(study.plot_controls(controls), "controls")

# %% [markdown]
# The magnitude at which half of the accuracy is lost. ▲: farther out than as screened, ▼: nearer,
# in 97.5 % of the resamples of the pictures. There and back: the lowest accuracy on the way, as a
# share of that untouched.

# %%
table = study.control_table(controls)
study.save_table(table, "controls")

# %%
study.control_summary(table)
