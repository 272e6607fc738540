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
# # Comparison
#
# Do two networks lose the same classes at the same magnitudes? And do symmetric objects survive
# a rotation better than others?

# %% tags=["parameters", "needs-split", "needs-groups", "needs-seeds.nc"]
profile: str = "photos"  # whose two networks are compared: a file in profiles/

# %%
from itn import study

parameters = study.read_parameters(globals())
first, second = study.load_profile(parameters.profile).networks

# %% [markdown]
# Pictures of each class, and the accuracy of each network on those for testing:

# %%
study.training_table(parameters)

# %%
study.glue_numbers(study.training_numbers(parameters))

# %% [markdown]
# The smaller network trained anew from other seeds: the median threshold *half* over the classes,
# infinite where more than half are not reached, and the mean rank correlation with the first
# training.

# %%
seeds = study.seed_table(study.read_seeds(parameters)[0])
seeds

# %%
study.glue_numbers(study.seed_numbers(seeds))

# %% [markdown]
# Thresholds *half*, one marker per class and direction. Hollow: not reached within the sweep by
# one network or both; drawn at the end of the sweep. ρ is Spearman's rank correlation, in which
# all that were not reached share the last rank, n the number of classes.

# %%
tables = study.compare(parameters)
both = tables[first, second]
study.show_figure(study.plot_threshold_pairs(both, first, second), "comparison")

# %%
study.rank_correlations(both)

# %% [markdown]
# The same against SqueezeNet, which learned from ImageNet, for the classes it knows:

# %%
first_other = tables[first, "squeezenet"]
figure = study.plot_threshold_pairs(first_other, first, "squeezenet")
study.show_figure(figure, "comparison_squeezenet_first")

# %%
study.rank_correlations(first_other)

# %%
second_other = tables[second, "squeezenet"]
figure = study.plot_threshold_pairs(second_other, second, "squeezenet")
study.show_figure(figure, "comparison_squeezenet_second")

# %%
study.rank_correlations(second_other)

# %%
study.glue_numbers(study.comparison_numbers(tables))

# %% [markdown]
# Accuracy under rotation, as a share of that upright: thick lines are the means of groups of
# classes, thin lines the classes.

# %%
turned = study.turned_groups(parameters)
study.show_figure(study.plot_turned_groups(turned), "symmetry_groups")

# %% [markdown]
# *Kept* is the mean over all angles, *kept_180* that after half a turn.

# %%
study.group_table(turned)

# %%
study.glue_numbers(study.group_numbers(turned))

# %% [markdown]
# Accordions and trilobites have black corners. How many other pictures are taken for one of them
# when they are turned by 45°, with black corners and with others?

# %%
control = study.fill_control(parameters, ["accordion", "trilobite"])
control

# %%
study.glue_numbers(study.fill_numbers(control))
