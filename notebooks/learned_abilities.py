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
# # Beyond the paper's transformers
#
# What options that the paper does not have let the Invariant Transformer Net learn: motions in
# closed form, a look at the picture, and kernels. Numbers are of pictures that neither taught nor
# chose what is judged.

# %% tags=["parameters", "needs-pictures=phantom"]
profile: str = "phantom"  # whose first network is asked: a file in profiles/

# %%
from itn import study

parameters = study.read_parameters(globals())
abilities = study.obtain_abilities(parameters)

# %% [markdown]
# ## Discs alone
#
# Free matrices, and families of turns and shifts with and without a scale.

# %%
turning = study.turning_table(abilities)
study.save_table(turning, "learned_turning", {"mean turn": ".0f"})

# %%
turning_ranges = study.ranges(turning, ["mean turn"])
study.glue_table(turning_ranges, prefix="turning_")
turning_ranges

# %% [markdown]
# ## Discs and hearts
#
# Turns alone, without and with a look at the picture.

# %%
narrow = study.plot_looking(abilities, columns=1)
study.show_figure(study.plot_looking(abilities), "learned_looking", narrow)

# %%
looking = study.looking_table(abilities)
degrees = ["discs turned", "hearts turned", "difference", "from", "to"]
study.save_table(looking, "learned_looking", dict.fromkeys(degrees, ".0f"))

# %%
looking_ranges = study.ranges(looking, ["discs turned", "hearts turned"])
study.glue_table(looking_ranges, prefix="looking_")
looking_ranges

# %% [markdown]
# ## Kernels

# %%
narrow = study.plot_gains(abilities, parameters, columns=1)
study.show_figure(study.plot_gains(abilities, parameters), "learned_gains", narrow)

# %%
narrow = study.plot_kernels(abilities, parameters, count=2)
study.show_figure(study.plot_kernels(abilities, parameters), "learned_kernels", narrow)

# %%
filtering = study.filtering_table(abilities, parameters)
study.save_table(filtering, "learned_filtering")
