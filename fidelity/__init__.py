"""Is the science still there: structure and style metrics of a stylised micrograph, and the report image. No comfy."""
