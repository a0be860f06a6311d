"""Microscopy files to pictures: reading, planes and projections, contrast, pseudo-colour, sizes. No comfy in here."""
