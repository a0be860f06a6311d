"""Style files: a captured style as a safetensors file, its checks, its names and its thumbnail. No comfy in here."""
