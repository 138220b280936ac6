"""What diffusion is compared with: other ways to learn chunks from the same demonstrations."""
