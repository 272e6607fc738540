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
# Mean softmax against magnitude, one panel per class. Lines are the true class, its three
# strongest rivals, and the strongest of all others; where the ground is shaded, another class
# has the highest mean softmax.

# %% tags=["parameters"]
profile: str = None  # a file in profiles/; None: phantom, or the first with the classes
network: str = None  # name of a classifier; None: the profile's first
pictures: str = None  # a data set, or a folder of class folders; None: the profile's
classes: list[str] = None  # classes to show; None: all of the profile's
fill: str = None  # outside a picture: zeros, edge, reflect or mean; None: the profile's
seed: int = None  # of the noise; None: the profile's
limit: int = None  # at most that many pictures per class; None: all of them

# %%
import itn

parameters = itn.read_parameters(globals())

# %% [markdown]
# ## Translation to the right

# %%
translation_x = itn.obtain_screening(parameters, "translation_x")
itn.describe(translation_x)

# %%
itn.show_figure(itn.plot_softmax(translation_x, columns=3), "appendix_translation_x")

# %%
itn.threshold_table(translation_x)

# %%
itn.glue_numbers(itn.key_numbers(translation_x), prefix="translation_x_")

# %% [markdown]
# ## Translation downwards

# %%
translation_y = itn.obtain_screening(parameters, "translation_y")
itn.show_figure(itn.plot_softmax(translation_y, columns=3), "appendix_translation_y")

# %%
itn.threshold_table(translation_y)

# %%
itn.glue_numbers(itn.key_numbers(translation_y), prefix="translation_y_")

# %% [markdown]
# ## Rotation

# %%
rotation = itn.obtain_screening(parameters, "rotation")
itn.show_figure(itn.plot_softmax(rotation, columns=3), "appendix_rotation")

# %%
itn.threshold_table(rotation)

# %%
itn.glue_numbers(itn.key_numbers(rotation), prefix="rotation_")

# %% [markdown]
# ## Horizontal scale

# %%
scale_x = itn.obtain_screening(parameters, "scale_x")
itn.show_figure(itn.plot_softmax(scale_x, columns=3), "appendix_scale_x")

# %%
itn.threshold_table(scale_x)

# %%
itn.glue_numbers(itn.key_numbers(scale_x), prefix="scale_x_")

# %% [markdown]
# ## Vertical scale

# %%
scale_y = itn.obtain_screening(parameters, "scale_y")
itn.show_figure(itn.plot_softmax(scale_y, columns=3), "appendix_scale_y")

# %%
itn.threshold_table(scale_y)

# %%
itn.glue_numbers(itn.key_numbers(scale_y), prefix="scale_y_")

# %% [markdown]
# ## Zoom

# %%
zoom = itn.obtain_screening(parameters, "zoom")
itn.show_figure(itn.plot_softmax(zoom, columns=3), "appendix_zoom")

# %%
itn.threshold_table(zoom)

# %%
itn.glue_numbers(itn.key_numbers(zoom), prefix="zoom_")

# %% [markdown]
# ## Brightness

# %%
brightness = itn.obtain_screening(parameters, "brightness")
itn.show_figure(itn.plot_softmax(brightness, columns=3), "appendix_brightness")

# %%
itn.threshold_table(brightness)

# %%
itn.glue_numbers(itn.key_numbers(brightness), prefix="brightness_")

# %% [markdown]
# ## Contrast

# %%
contrast = itn.obtain_screening(parameters, "contrast")
itn.show_figure(itn.plot_softmax(contrast, columns=3), "appendix_contrast")

# %%
itn.threshold_table(contrast)

# %%
itn.glue_numbers(itn.key_numbers(contrast), prefix="contrast_")

# %% [markdown]
# ## Grayscale

# %%
grayscale = itn.obtain_screening(parameters, "grayscale")
itn.show_figure(itn.plot_softmax(grayscale, columns=3), "appendix_grayscale")

# %%
itn.threshold_table(grayscale)

# %%
itn.glue_numbers(itn.key_numbers(grayscale), prefix="grayscale_")

# %% [markdown]
# ## Gaussian blur

# %%
blur = itn.obtain_screening(parameters, "blur")
itn.show_figure(itn.plot_softmax(blur, columns=3), "appendix_blur")

# %%
itn.threshold_table(blur)

# %%
itn.glue_numbers(itn.key_numbers(blur), prefix="blur_")

# %% [markdown]
# ## Gaussian noise

# %%
noise = itn.obtain_screening(parameters, "noise")
itn.show_figure(itn.plot_softmax(noise, columns=3), "appendix_noise")

# %%
itn.threshold_table(noise)

# %%
itn.glue_numbers(itn.key_numbers(noise), prefix="noise_")
