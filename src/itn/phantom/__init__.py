"""Rendered objects whose symmetries and thresholds are known on paper.

What they are, how they are drawn, and what an ideal observer says of them.
"""
