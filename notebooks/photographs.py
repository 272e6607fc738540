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
# # Photographs: do two networks agree?
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
trained = study.training_table(parameters)
study.save_table(study.training_texts(trained), "training")

# %%
study.glue_table(trained.loc[["all"]])

# %% [markdown]
# How they were trained:

# %%
settings = study.training_settings(parameters)
settings

# %%
study.glue_table(settings, ["weight_decay"])
study.glue_table(settings.loc[[first]], ["epochs", "label_smoothing", "jitter"])

# %% [markdown]
# The smaller network trained anew from other seeds: the median threshold *half* over the classes,
# a dash where more than half are not reached, and the mean rank correlation with the first
# training.

# %%
pairs, accuracy = study.read_seeds(parameters)
seeds = study.seed_table(pairs)
study.save_table(study.seed_texts(seeds), "seeds", {"ρ": ".2f"})

# %%
accuracy.loc["ours"] = trained.loc["all", first]
accuracy

# %%
study.glue_table(accuracy.agg(["min", "max", "std"]), prefix="seeds_")
study.glue_table(seeds[["ρ"]].agg(["median", "min", "max"]), prefix="seeds_")

# %% [markdown]
# Thresholds *half*, one marker per class and direction. Hollow: not reached within the sweep by
# one network or both; drawn at the end of the sweep. ρ is Spearman's rank correlation, in which
# all that were not reached share the last rank, n the number of classes.

# %%
tables = study.compare(parameters)
both = study.rank_correlations(tables[first, second])
figure = study.plot_threshold_pairs(tables[first, second], both, first, second)
study.show_figure(figure, "comparison")

# %%
both

# %% [markdown]
# The same against SqueezeNet, which learned from ImageNet, for the classes it knows:

# %%
other = "squeezenet"
first_other = study.rank_correlations(tables[first, other])
figure = study.plot_threshold_pairs(tables[first, other], first_other, first, other)
study.show_figure(figure, "comparison_squeezenet_first")

# %%
first_other

# %%
second_other = study.rank_correlations(tables[second, other])
figure = study.plot_threshold_pairs(tables[second, other], second_other, second, other)
study.show_figure(figure, "comparison_squeezenet_second")

# %%
second_other

# %%
found = {(first, second): both, (first, other): first_other, (second, other): second_other}
summary = study.summarize_correlations(found)
summary

# %%
study.glue_table(summary.iloc[:1])
study.glue_table(summary.iloc[1:], ["median", "positive", "defined", "significant"])

# %% [markdown]
# How many thresholds *half* are not reached, and how many of these belong to a class for which
# more than a tenth of the pictures of other classes are taken somewhere on the way.

# %%
sinks = study.sink_table(parameters)
shown = sinks.drop("all", level="transformation")
study.save_table(shown, "sinks", {"share": ".0%"})

# %%
study.glue_table(sinks.xs("all", level="transformation"), ["not reached", "gain"], prefix="sinks_")

# %% [markdown]
# Accuracy under rotation, as a share of that upright: thick lines are the means of groups of
# classes, thin lines the classes.

# %%
turned = study.turned_groups(parameters)
study.show_figure(study.plot_turned_groups(turned), "symmetry_groups")

# %% [markdown]
# *Kept* is the mean over all angles, *kept_180* that after half a turn.

# %%
turned.drop(columns=["angles", "curve"])

# %% [markdown]
# The means of the groups. *p* is the probability that by chance a group keeps at least that much
# more than the last group does.

# %%
groups = study.group_table(turned)
groups

# %%
kept = groups[["kept", "kept_180"]].rename(columns={"kept": "all angles", "kept_180": "180°"})
study.save_table(kept, "symmetry_groups", {"all angles": ".0%", "180°": ".0%"})

# %%
study.glue_table(groups.loc[["near-symmetric"]], ["p kept"])
study.glue_table(groups.loc[["axisymmetric"]], ["p kept_180"])

# %% [markdown]
# Accordions and trilobites have black corners. How many other pictures are taken for one of them
# when they are turned by 45°, with black corners and with others?

# %%
control = study.fill_control(parameters, ["accordion", "trilobite"])
control

# %%
study.glue_table(control, ["taken"])
study.glue_table(control.query("fill != 'reflect'"), ["accuracy"])
study.glue_table(control.query("fill == 'edge'"), ["taken_upright"])
