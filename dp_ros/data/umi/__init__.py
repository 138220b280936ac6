"""The replay buffers of UMI and diffusion_policy: zarr stores, also zipped."""
