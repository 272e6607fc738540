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
# # Worst case
#
# How much does a mean over pictures hide? Beside it, the accuracy when each picture is changed, in
# the same small ranges, by what it stands worst.

# %% tags=["parameters", "needs-worst_case"]
profile: str = "photos"  # whose networks are looked at, and in which ranges: a file in profiles/

# %%
from itn import study

parameters = study.read_parameters(globals())

# %% [markdown]
# Accuracy when all pictures are turned alike, and when each is turned, or turned and shifted, by
# what was found to be worst for it; each with its 95 % Clopper–Pearson interval.

# %%
found = study.obtain_worst_cases(parameters)
narrow = study.plot_worst_case(found, columns=1)
study.show_figure(study.plot_worst_case(found), "worst_case", narrow)

# %% [markdown]
# One row for each search. *mean*: accuracy over the ranges. *worst*: accuracy when each picture is
# changed by what it stands worst; *grid*: by the worst of this search's grid alone.

# %%
table = study.worst_case_table(found)
table

# %%
study.save_table(study.worst_case_texts(table), "worst_case")

# %%
study.glue_table(table, ["pictures"], rows=["alexnet_photos_nothing", "squeezenet_nothing"])
study.glue_table(table.query("within == 'nothing'"), ["worst"])
study.glue_table(table.query("within == 'rotation'"), ["mean", "worst"])

# %%
joint = table.query("within == 'rotation+translation_x+translation_y'")
study.glue_table(joint, ["worst", "worst_low", "worst_high"])
study.glue_table(joint, ["hidden", "hidden_low", "hidden_high"])
