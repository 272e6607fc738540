"""Known networks and data sets, each by name.

Architectures, readers of weight files that execute nothing, the catalog of what can be
downloaded, and the names of ImageNet's classes.
"""
