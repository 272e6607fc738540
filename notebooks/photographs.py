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
others, accuracy = study.read_seeds(parameters)
seeds = study.seed_table(others)
study.save_table(study.seed_texts(seeds), "seeds", {"ρ": ".2f"})

# %%
accuracy.loc["ours"] = trained.loc["all", first]
accuracy

# %%
study.glue_table(accuracy.agg(["min", "max", "std"]), prefix="seeds_")
study.glue_table(seeds[["ρ"]].agg(["median", "min", "max"]), prefix="seeds_")

# %% [markdown]
# Do the networks agree? The thresholds *half* of every two, also of those that learned from
# ImageNet, for the classes that both know: the median of their rank correlations with its interval.

# %%
screenings = study.screenings_of(parameters)
found = study.compare_networks(screenings)
agreement = study.agreement_table(found, screenings)
study.save_table(study.agreement_texts(agreement), "agreement")

# %%
agreement.T

# %%
study.glue_table(agreement, ["low", "high", "ceiling"])
study.glue_table(agreement, ["median", "above", "defined", "verdict"])
study.glue_table(agreement.iloc[:1], ["pairs", "censored", "differ", "equal", "by chance"])
study.glue_table(agreement.iloc[:1], ["lowest", "lowest name", "highest", "highest name"])

# %% [markdown]
# Each rank correlation, with its interval:

# %%
study.save_table(study.correlation_texts(found), "correlations")

# %% [markdown]
# How often such intervals hold the true correlation, by simulation, in per cent:

# %%
coverage = study.correlation_coverage()
percent = dict.fromkeys(["held", "above 0", "median held", "median above 0"], ".0f")
shares = dict.fromkeys(["reliability", "found"], ".2f")
study.save_table(coverage, "correlation_coverage", percent | shares)

# %%
limits = study.coverage_summary()
told = ["reliability", "lowest", "median lowest", "median false"]
study.glue_table(limits, told, prefix="coverage_")
study.glue_table(limits.iloc[:1], ["highest", "median highest", "power"], prefix="coverage_")

# %% [markdown]
# Where the thresholds of the profile's two networks differ, and where they are as good as equal:

# %%
table = study.difference_table(found[first, second])
farther = {"first": f"{first} farther", "second": f"{second} farther"}
study.save_table(table.rename(columns=farther | {"equal": "as good as equal"}), "differences")

# %% [markdown]
# The rank correlations with their intervals, and below them their median:

# %%
narrow = study.plot_correlations(found, columns=2)
each = study.all_correlations(found)
study.show_figure(study.plot_correlations(found), "correlations", narrow, each)

# %% [markdown]
# Do classes differ? Tests of the ranks of their pictures' tolerances, corrected for their number.

# %%
differences = study.network_differences(screenings)
study.save_table(study.class_texts(differences), "class_differences")

# %%
study.glue_table(study.class_summary(differences), prefix="classes_")

# %% [markdown]
# The first network under the last transformation: the pairs of classes that differ most clearly.

# %%
pairs = study.class_pairs(screenings[first][-1])
pairs[pairs.different].sort_values("p").head(10)

# %% [markdown]
# How many pictures of each class survive how much noise, and the median of what they tolerate:

# %%
narrow = study.plot_survivals(screenings, "noise", columns=1)
study.show_figure(study.plot_survivals(screenings, "noise"), "survival", narrow)

# %%
study.save_table(study.tolerance_table(screenings, "noise"), "tolerances")

# %% [markdown]
# How many thresholds *half* are not reached, and how many of these belong to a class for which
# more than a tenth of the pictures of other classes are taken somewhere on the way.

# %%
sinks = study.sink_table(screenings)
shown = sinks.drop("all", level="transformation")
study.save_table(shown, "sinks", {"share": ".0%"})

# %%
study.glue_table(sinks.xs("all", level="transformation"), ["not reached", "gain"], prefix="sinks_")

# %% [markdown]
# Accuracy under rotation, as a share of that upright: thick lines are the means of groups of
# classes, thin lines the classes.

# %%
turned = study.turned_groups(parameters)
narrow = study.plot_turned_groups(turned, columns=1)
study.show_figure(study.plot_turned_groups(turned), "symmetry_groups", narrow)

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
taken = study.taken_table(parameters, ["accordion", "trilobite"])
shown = taken.rename(columns={"taken_upright": "upright"})
percent = {"accuracy": ".0%", "taken": ".0%", "upright": ".1%"}
study.save_table(shown, "corners", percent)

# %%
study.glue_table(taken.query("fill != 'reflect'"), ["accuracy", "taken"])

# %% [markdown]
# Our thresholds beside those of psychometric functions that psignifit has fitted:

# %%
psychometric = study.psychometric_table()
study.save_table(psychometric, "psychometric", {"median difference": ".2f", "width": ".2f"})

# %%
study.glue_table(psychometric.iloc[-1:], prefix="psychometric_")
