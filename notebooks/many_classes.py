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
# # Many classes
#
# How often are networks right on pictures of many classes that are transformed more and more? And
# which categories have been screened one at a time so far?

# %% tags=["parameters", "needs-many_classes"]
profile: str = "imagenet"  # whose networks: a file in profiles/

# %%
from itn import study

parameters = study.read_parameters(globals())

# %% [markdown]
# Under how many of the transformations each network has looked at each category:

# %%
study.save_table(study.coverage_table(parameters), "coverage")

# %% [markdown]
# One picture of each class; the share that comes right untouched, with its 95 % Clopper–Pearson
# interval:

# %%
found = study.read_accuracy(parameters)
untouched = study.untouched_table(found)
untouched

# %%
study.glue_table(untouched)

# %% [markdown]
# Accuracy over all of these pictures, with its 95 % Clopper–Pearson interval:

# %%
study.show_figure(study.plot_many_classes(found), "many_classes")

# %% [markdown]
# Where it is halved, with 95 % intervals from pictures drawn again; a dash is an end that is open,
# beyond the sweep:

# %%
study.save_table(study.halving_table(found), "halving")
