//! The directory of the world's airports: look up by code, resolve what a person types.
