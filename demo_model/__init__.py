"""The embedded demo model: its shape, its latent space, its weights and how they are read."""
