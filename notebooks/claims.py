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
# # Claims
#
# Every claim of the paper, measured on archived screenings and transformers, and the verdict.

# %% tags=["parameters", "needs-groups"]
profile: str = "photos"  # whose networks stand for the paper's: a file in profiles/

# %%
from itn import study

parameters = study.read_parameters(globals())

# %% [markdown]
# From which level on a measurement speaks for a claim:

# %%
study.save_table(study.rule_table(), "claims_rule")

# %% [markdown]
# All measurements, with 95 % intervals; a dash where there is none, which the remark explains.

# %%
measured = study.measure_claims(parameters)
study.save_table(measured, "claims_measured")

# %% [markdown]
# The ledger, in the markup of the page that shows it:

# %%
ledger = study.ledger_table(measured)
study.save_table(ledger, "claims")

# %%
overview = study.overview_table(measured)
study.save_table(overview, "claims_overview")

# %% [markdown]
# Numbers that pages read:

# %%
study.glue_table(study.verdict_counts(measured))
study.glue_table(measured, ["estimate"], rows=["labels-unchanged_SqueezeNet_v1.0"])
farther = ["learn-parameters_AlexNet", "learn-parameters_ResNet"]
study.glue_table(measured, ["estimate", "low", "high"], rows=farther)
once = ["learn-parameters_SqueezeNet_v1.0", "learn-parameters_EfficientNet-Lite0"]
study.glue_table(measured, ["estimate"], rows=once)
