"""The contact sheet: values a person lists, and pictures under their labels. No comfy in here."""
