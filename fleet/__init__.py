"""Many pictures through one or many ComfyUIs, each once, resumed and retried. For tools; ComfyUI never imports it."""
