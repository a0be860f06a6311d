"""Microscopy files to pictures: reading, planes and projections, contrast, pseudo-colour, sizes. No comfy in here.

What `load.py` needs is in this room alone, so that scripts can read a micrograph without the pack around it.
"""
