//! fakd.toml to validated settings.
