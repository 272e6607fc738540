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
# How often are networks right on pictures of many classes that are transformed more and more?

# %% tags=["parameters", "needs-pooled"]
profile: str = "imagenet_sample"  # whose networks look at pictures together: a file in profiles/

# %%
from itn import study

parameters = study.read_parameters(globals())
screenings = study.pooled_screenings(parameters)

# %% [markdown]
# The share of pictures whose class comes first, or is among the first five, while they are as they
# are, with its 95 % Clopper–Pearson interval:

# %%
untouched = study.untouched_table(screenings)
untouched

# %%
study.glue_table(untouched.drop(columns="pictures"))
study.glue_table(untouched.iloc[:1], ["pictures"])

# %% [markdown]
# Thick lines: the class comes first; thin lines: it is among the first five. Bands are 95 %
# Clopper–Pearson intervals.

# %%
narrow = study.plot_many_classes(screenings, columns=1)
study.show_figure(study.plot_many_classes(screenings), "many_classes", narrow)

# %% [markdown]
# Where half of the accuracy untouched is lost, with 95 % intervals from pictures drawn again:

# %%
half = study.half_table(screenings)
study.save_table(study.half_texts(half), "half")

# %%
noise = ["squeezenet_top-1_noise_up", "efficientnet_lite0_top-1_noise_up"]
study.glue_table(half, ["text"], rows=noise)

# %%
half
