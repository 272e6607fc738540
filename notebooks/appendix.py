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
# # Every class under every transformation
#
# Mean softmax against magnitude, one panel per class; lines are named at their ends. Of one
# network: the true class, its three strongest rivals, and the strongest of all others; where the
# ground is shaded, another class has the highest mean softmax. Of several: for each the true
# class and, dotted, its strongest rival.

# %% tags=["parameters", "together"]
profile: str = None  # a file in profiles/; None: phantom, or the first with the classes
network: str = None  # name of a classifier; None: the profile's, as far as they are archived
pictures: str = None  # a data set, or a folder of class folders; None: the profile's
classes: list[str] = None  # classes to show; None: all of the profile's
fill: str = None  # outside a picture: zeros, edge, reflect or mean; None: the profile's
seed: int = None  # of the noise; None: the profile's
limit: int = None  # at most that many pictures per class; None: all of them

# %%
from itn import study

parameters = study.read_parameters(globals())

# %% [markdown]
# Thresholds are marked ‡ where on the way more than a tenth of the pictures of other classes are
# taken for that one.
#
# ## Translation to the right

# %%
translation_x = study.obtain_screenings(parameters, "translation_x")
study.describe_all(translation_x)

# %%
study.show_figure(study.plot_classes(translation_x), "appendix_translation_x")

# %%
study.of_each(study.threshold_table, translation_x)

# %% [markdown]
# ## Translation downwards

# %%
translation_y = study.obtain_screenings(parameters, "translation_y")
study.show_figure(study.plot_classes(translation_y), "appendix_translation_y")

# %%
study.of_each(study.threshold_table, translation_y)

# %% [markdown]
# ## Rotation

# %%
rotation = study.obtain_screenings(parameters, "rotation")
study.show_figure(study.plot_classes(rotation), "appendix_rotation")

# %%
study.of_each(study.threshold_table, rotation)

# %% [markdown]
# ## Horizontal scale

# %%
scale_x = study.obtain_screenings(parameters, "scale_x")
study.show_figure(study.plot_classes(scale_x), "appendix_scale_x")

# %%
study.of_each(study.threshold_table, scale_x)

# %%
summary = study.threshold_summary(next(iter(scale_x.values())))
study.glue_table(summary, ["median"], "scale_x_", ["switch_up"])

# %% [markdown]
# ## Vertical scale

# %%
scale_y = study.obtain_screenings(parameters, "scale_y")
study.show_figure(study.plot_classes(scale_y), "appendix_scale_y")

# %%
study.of_each(study.threshold_table, scale_y)

# %%
summary = study.threshold_summary(next(iter(scale_y.values())))
study.glue_table(summary, ["median"], "scale_y_", ["switch_up"])

# %% [markdown]
# ## Zoom

# %%
zoom = study.obtain_screenings(parameters, "zoom")
study.show_figure(study.plot_classes(zoom), "appendix_zoom")

# %%
study.of_each(study.threshold_table, zoom)

# %%
summary = study.threshold_summary(next(iter(zoom.values())))
study.glue_table(summary, ["median"], "zoom_", ["switch_up"])

# %% [markdown]
# ## Brightness

# %%
brightness = study.obtain_screenings(parameters, "brightness")
study.show_figure(study.plot_classes(brightness), "appendix_brightness")

# %%
study.of_each(study.threshold_table, brightness)

# %%
summary = study.threshold_summary(next(iter(brightness.values())))
study.glue_table(summary, ["reached"], "brightness_", ["switch_up", "switch_down"])

# %% [markdown]
# ## Contrast

# %%
contrast = study.obtain_screenings(parameters, "contrast")
study.show_figure(study.plot_classes(contrast), "appendix_contrast")

# %%
study.of_each(study.threshold_table, contrast)

# %%
summary = study.threshold_summary(next(iter(contrast.values())))
study.glue_table(summary, ["nearest"], "contrast_", ["switch_down"])

# %% [markdown]
# ## Grayscale

# %%
grayscale = study.obtain_screenings(parameters, "grayscale")
study.show_figure(study.plot_classes(grayscale), "appendix_grayscale")

# %%
study.of_each(study.threshold_table, grayscale)

# %%
summary = study.threshold_summary(next(iter(grayscale.values())))
study.glue_table(summary, ["reached"], "grayscale_", ["switch_up"])

# %% [markdown]
# ## Gaussian blur

# %%
blur = study.obtain_screenings(parameters, "blur")
study.show_figure(study.plot_classes(blur), "appendix_blur")

# %%
study.of_each(study.threshold_table, blur)

# %%
study.glue_table(study.screening_summary(next(iter(blur.values()))), ["categories"])
summary = study.threshold_summary(next(iter(blur.values())))
ends = ["nearest", "nearest category", "farthest", "farthest category"]
study.glue_table(summary, ["reached", *ends], "blur_", ["switch_up"])

# %% [markdown]
# ## Gaussian noise

# %%
noise = study.obtain_screenings(parameters, "noise")
study.show_figure(study.plot_classes(noise), "appendix_noise")

# %%
study.of_each(study.threshold_table, noise)

# %% [markdown]
# ## Thresholds of growing magnitude
#
# Of the first network, for the classes that the main figures show, and the median over all.

# %%
shown = study.by_network(noise, rotation, zoom, translation_x, translation_y)
overview = study.threshold_overview(next(iter(shown.values())), parameters)
study.save_table(overview, "thresholds")

# %% [markdown]
# ## What keeps its prediction
#
# Shares of pictures, all magnitudes together: accuracy falls by those that go wrong and rises by
# those that come right; consistent is who is taken for the same as untouched, right or wrong.

# %%
translations, scales = [translation_x, translation_y], [scale_x, scale_y, zoom]
colors = [brightness, contrast, grayscale, blur, noise]
everything = study.by_network(*translations, rotation, *scales, *colors)
consistency = study.of_each(study.consistency_table, everything)
study.save_table(consistency, "consistency", dict.fromkeys(consistency.columns, ".0%"))

# %% [markdown]
# How many classes lose half of their accuracy, in one direction or the other:

# %%
lost = study.of_each(study.lost_table, everything)
study.glue_networks(lost)
lost
