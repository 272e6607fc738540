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
# # Farther with a look at the picture?
#
# Families that hold a consistency of 0.95, without and with a look at the picture, on pictures
# that neither taught nor chose them.

# %% tags=["parameters"]
profile: str = "phantom"  # pictures and networks, a file in profiles/
network: str = None  # which looks; None: the profile's first

# %%
from itn import study

parameters = study.read_parameters(globals())
abilities = study.obtain_abilities(parameters)

# %%
farther = study.farther_table(abilities)
study.save_table(farther, "learned_farther")

# %%
study.glue_table(study.farther_counts(farther))
